# Worker, bridge and command line in one image; docker-compose.yml says which runs where, with which keys.
# Tests, linters and the stand-ins of the vendors are not in it.

FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
COPY pyproject.toml requirements.lock deploy/runtime_lock.py ./
RUN python runtime_lock.py > runtime.lock \
    && python -m venv /opt/venv \
    && /opt/venv/bin/pip install --only-binary=:all: --require-hashes -r runtime.lock
COPY activities /app/activities
COPY domain /app/domain
COPY starter /app/starter
COPY workflows /app/workflows
COPY worker.py /app/
COPY deploy/healthy.sh /app/deploy/
RUN /opt/venv/bin/python -m compileall -q /app

FROM python:3.11-slim-bookworm
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
RUN useradd --system --uid 10001 --home-dir /nonexistent --no-create-home --user-group nightlatch \
    && install -d -o nightlatch -g nightlatch /var/lib/nightlatch
USER 10001
WORKDIR /app
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=10s --start-period=30s --retries=4 \
    CMD ["/app/deploy/healthy.sh", "worker", "requests", "leases", "grants", "tickets"]
CMD ["python", "/app/worker.py"]
