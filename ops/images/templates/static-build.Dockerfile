{% import "macros.jinja" as macros %}
# A site that is built by Node (Vite and the like) and then only served.
FROM node:24-bookworm-slim AS build
{{ macros.workdir() }}
{{ macros.arguments(arguments) }}
{{ macros.npm_install(app.install) }}
{% if app.install.files != ["."] %}
COPY --chown=1000:1000 . .
{% endif %}
ARG BASE_PATH=/
{{ macros.run("npm", 'export PUBLIC_URL="$BASE_PATH"; ' ~ app.build) }}
RUN for page in dist build out _site .output/public dist/*/browser dist/* public; do \
        if [ -f "$page/index.html" ]; then mv "$page" /app/.studio-site; exit 0; fi; \
    done; \
    echo "the build left no index.html in dist, build, out, _site or public"; exit 1

FROM studio-static:1
COPY --from=build --chown=1000:1000 /app/.studio-site/ /srv/
ENV PORT={{ port }}
EXPOSE {{ port }}
