#!/bin/sh
# `docker run image --directive value` and `docker run image file.conf` mean the server; anything else is a command of its own.
# As root it makes /data the service user's and goes on as that user.
set -e

defaults=/usr/local/etc/redraft/redraft.conf
case ${1:-} in
-h | --help | -v | --version) set -- redraft "$@" ;;
--check) set -- redraft "$@" ;;
-*) set -- redraft "$defaults" "$@" ;;
*.conf) set -- redraft "$@" ;;
esac

if [ "$1" = redraft ] && [ "$(id -u)" = 0 ]; then
    find . \! -user redraft -exec chown redraft:redraft '{}' +
    exec setpriv --reuid redraft --regid redraft --clear-groups -- "$0" "$@"
fi

# Data that nobody else may read, unless whoever runs this has said otherwise.
[ "$(umask)" = 0022 ] && umask 0077
exec "$@"
