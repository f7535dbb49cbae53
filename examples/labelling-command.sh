#!/bin/sh
# `labelling COMMAND` for root, as the user of the service and with its settings. Install it as a command:
#
#     sudo install -m 755 /opt/labelling/examples/labelling-command.sh /usr/local/sbin/labelling
#     sudo labelling doctor
set -eu
settings=/etc/labelling.env
if [ -e "$settings" ]; then
    set -a # export what the file sets
    . "$settings"
    set +a
fi
cd /
LABELLING_DATA=/var/lib/labelling
export LABELLING_DATA
exec runuser -u labelling -- /opt/labelling/.venv/bin/labelling "$@"
