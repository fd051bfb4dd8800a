"""Whether the pilots of a CE can be given secrets, by which they speak for themselves."""

from worker.backends import registry
from worker.domain.addresses import is_private
from worker.domain.ce import CE
from worker.services.runtime import Runtime


def why_none(runtime: Runtime, ce: CE) -> str | None:
    """Return why no pilot at a CE gets a secret, or `None` if each does."""
    if not registry.get(runtime.backends, ce.backend).gives_secrets:
        return f"the back-end {ce.backend} has no safe way to hand one over"
    objection = runtime.options(ce).objection_to_secrets()
    if objection is not None:
        return objection
    if runtime.web_url is None:
        return "the setting web_url does not say where the server is"
    if not is_private(runtime.web_url):
        return "web_url begins with http://, so others could read it on its way"
    return None if runtime.pilot_keys else "the setting pilot_key is not set"
