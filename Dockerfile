# syntax=docker/dockerfile:1
# One image for every process of Pilotage; the command says which one a container is.
#
# requirements-run.lock holds what runs, and setuptools, which builds; requirements.lock also holds
# what tests. It is made from the same versions:
#
#   echo 'setuptools>=77' | uv pip compile pyproject.toml - --constraints requirements.lock \
#       --universal --python-version 3.11 --generate-hashes --output-file requirements-run.lock

FROM python:3.13-slim AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/pilotage
WORKDIR /build

# The dependencies change less often than the code: they have a layer of their own.
COPY requirements-run.lock ./
RUN /opt/pilotage/bin/python -m pip install --no-deps --require-hashes --requirement requirements-run.lock

COPY pyproject.toml README.md LICENSE celeryconfig.py ./
COPY worker ./worker
COPY recipes ./recipes
COPY pilotage ./pilotage
RUN /opt/pilotage/bin/python -m pip install --no-deps --no-build-isolation . \
 && /opt/pilotage/bin/python -m pip uninstall --yes setuptools pip


FROM python:3.13-slim

# A fixed number, so that whoever keeps the secrets knows who reads them.
RUN groupadd --system --gid 10001 pilotage \
 && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/pilotage \
            --shell /usr/sbin/nologin pilotage \
 && install --directory --owner 10001 --group 10001 --mode 0700 /var/lib/pilotage

COPY --from=build /opt/pilotage /opt/pilotage

# The root filesystem may be read-only: nothing is written outside the state folder.
ENV PATH=/opt/pilotage/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PILOTAGE_HOME=/var/lib/pilotage

USER 10001:10001
WORKDIR /var/lib/pilotage
CMD ["pilotage", "--help"]
