# One image for the web, the workers and the sandbox; the command decides.

FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1
WORKDIR /src
# uv installs in seconds what takes pip a minute; it stays in this stage.
COPY requirements-uv.lock ./
RUN pip install --require-hashes -r requirements-uv.lock && python -m venv --without-pip /opt/carillon
ENV VIRTUAL_ENV=/opt/carillon UV_COMPILE_BYTECODE=1
# Dependencies before the code: they change less often, so this layer is usually cached.
COPY requirements.lock ./
RUN uv pip install --require-hashes -r requirements.lock
COPY pyproject.toml README.md ./
COPY platforms platforms
COPY app app
COPY actors actors
RUN uv pip install --no-deps .

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --create-home --home-dir /data carillon
COPY --from=build /opt/carillon /opt/carillon
ENV PATH=/opt/carillon/bin:$PATH PYTHONUNBUFFERED=1 CARILLON_DATA_DIR=/data
USER carillon
WORKDIR /data
EXPOSE 8000
# Not healthy while the database does not answer. Workers have no port: docker-compose.yml switches this off for them.
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=5)"]
CMD ["uvicorn", "--factory", "app.asgi:served", "--host", "0.0.0.0", "--port", "8000", "--loop", "uvloop", "--no-server-header"]
