# The provider: one image for serving, migrating and every other command (`docker run … idp doctor`).
FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY requirements.lock requirements-build.lock requirements-demo.lock ./
RUN python -m venv /opt/idp \
 && /opt/idp/bin/pip install --require-hashes -r requirements.lock \
 && python -m venv /opt/build \
 && /opt/build/bin/pip install --require-hashes -r requirements-build.lock
COPY . .
RUN /opt/build/bin/python -m hatchling build -t wheel -d /tmp/dist \
 && /opt/idp/bin/pip install --no-deps --no-index /tmp/dist/*.whl

FROM python:3.13-slim AS runtime
RUN useradd --system --uid 10001 --user-group --home-dir /var/lib/idp --create-home --shell /usr/sbin/nologin idp
COPY --from=build /opt/idp /opt/idp
ENV PATH=/opt/idp/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /var/lib/idp
EXPOSE 8400
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s --retries=3 \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8400/health/ready', timeout=5)"]
ENTRYPOINT ["idp"]
CMD ["serve", "--host", "0.0.0.0"]

# The demo portal and the fictive register, for compose.yaml only.
FROM runtime AS demo
USER root
COPY --from=build /src/requirements-demo.lock /tmp/
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /tmp/requirements-demo.lock
COPY demo /opt/demo/demo
ENV PYTHONPATH=/opt/demo
USER 10001:10001
EXPOSE 8401
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s --retries=3 \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8401/health', timeout=5)"]
ENTRYPOINT ["python", "-m"]
CMD ["demo"]

# The last stage is what `docker build` makes.
FROM runtime
