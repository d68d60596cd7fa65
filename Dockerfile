# imagelake with Prefect: the worker that takes snapshots, and the server that schedules them.
FROM python:3.11-slim-bookworm AS build
RUN python -m venv /opt/imagelake
WORKDIR /src
COPY requirements-run.lock ./
RUN /opt/imagelake/bin/python -m pip install --no-cache-dir --disable-pip-version-check \
    --no-deps --require-hashes -r requirements-run.lock
COPY pyproject.toml README.md LICENSE ./
COPY flows flows
COPY extract extract
COPY lake lake
COPY schemas schemas
COPY data/superset data/superset
RUN /opt/imagelake/bin/python -m pip install --no-cache-dir --disable-pip-version-check \
    --no-deps --no-build-isolation .
RUN /opt/imagelake/bin/python -m pip uninstall --yes hatchling trove-classifiers setuptools pip

FROM python:3.11-slim-bookworm
RUN useradd --uid 10001 --create-home imagelake \
    && install --directory --owner imagelake /lake /home/imagelake/.prefect
COPY --from=build /opt/imagelake /opt/imagelake
WORKDIR /srv/imagelake
COPY prefect.yaml ./
ENV PATH=/opt/imagelake/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PREFECT_SERVER_ANALYTICS_ENABLED=false \
    IMAGELAKE_LAKE=/lake/lake \
    IMAGELAKE_WAREHOUSE=/lake/imagelake.duckdb
USER 10001
VOLUME ["/lake"]
ENTRYPOINT []
CMD ["imagelake", "--help"]
