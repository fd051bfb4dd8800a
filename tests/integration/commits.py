"""Every transition of every pilot with the moment of its commit, for a replay in this order.

PostgreSQL knows only when the last change of a row was committed, and the row of a pilot changes
often. So each status that is written gets a row of its own in another table.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

COMMITS = """
SELECT pg_xact_commit_timestamp(c.xmin) AS committed, ce.name AS ce, vo.name AS vo, p.stamp,
       c.was, c.became
  FROM watched.commits c JOIN pilots p ON p.id = c.pilot_id
  JOIN ces ce ON ce.id = p.ce_id JOIN vos vo ON vo.id = p.vo_id
 ORDER BY 1, c.id
"""
_WATCH = """
DROP SCHEMA IF EXISTS watched CASCADE;
CREATE SCHEMA watched;
CREATE TABLE watched.commits (
  id bigint GENERATED ALWAYS AS IDENTITY, pilot_id bigint, was text, became text);
CREATE FUNCTION watched.note() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO watched.commits (pilot_id, became) VALUES (NEW.id, NEW.status);
  ELSIF NEW.status <> OLD.status THEN
    INSERT INTO watched.commits (pilot_id, was, became) VALUES (NEW.id, OLD.status, NEW.status);
  END IF;
  RETURN NULL;
END$$;
CREATE TRIGGER watched AFTER INSERT OR UPDATE ON pilots
  FOR EACH ROW EXECUTE FUNCTION watched.note();
"""
_REST = "DROP TRIGGER watched ON pilots"


def watch(engine: Engine) -> None:
    """Record every transition from now on."""
    with engine.begin() as connection:
        connection.exec_driver_sql(_WATCH)


@contextmanager
def watching(engine: Engine) -> Iterator[None]:
    """Record every transition in this block; the record stays until the next block."""
    watch(engine)
    try:
        yield
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql(_REST)
