# A base with git for the argocd action image, where none is at hand: from a Debian-based image with python3, by digest.
#   docker build --file=actions/argocd/base.Dockerfile --build-arg=BASE_IMAGE=python:3.13-slim@sha256:… --tag=git-base .
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
RUN ["apt-get", "update"]
RUN ["apt-get", "install", "--yes", "--no-install-recommends", "ca-certificates", "git", "openssh-client"]
RUN ["apt-get", "clean"]
