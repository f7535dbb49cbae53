#!/bin/sh
# `labelling COMMAND` for root, as the user of the service and with its settings. Install it as a command:
#
#     sudo install -m 755 /opt/labelling/examples/labelling-command.sh /usr/local/sbin/labelling
#     sudo labelling doctor
set -eu
settings=/etc/labelling.env
if [ -e "$settings" ]; then
    # As systemd reads the file: the shell would run what a value with a space or a $ says.
    while read -r line || [ -n "$line" ]; do
        case $line in
        [A-Za-z_]*=*) ;;
        *) continue ;; # empty, or a comment
        esac
        value=${line#*=}
        case $value in
        \"*\")
            value=${value#\"}
            value=$(printf '%s\n' "${value%\"}" | sed 's/\\\(["\\`$]\)/\1/g')
            ;;
        \'*\')
            value=${value#\'}
            value=${value%\'}
            ;;
        esac
        export "${line%%=*}=$value"
    done <"$settings"
fi
cd /
LABELLING_DATA=/var/lib/labelling
export LABELLING_DATA
exec runuser -u labelling -- /opt/labelling/.venv/bin/labelling "$@"
