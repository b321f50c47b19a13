#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Starts on the host the servers that are probed, each in a unit of its own. The folder of this file is /opt/probe.
set -eu
cd /opt/probe
mkdir -p /run/probe
useradd --system --shell /bin/sh prober
printf 'monitor:%s\n' "$(openssl passwd -apr1 open-sesame)" > passwords
sh certificates.sh /opt/probe/certificates > certificates.log 2>&1 &
certificates=$!

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check Django==5.2.19 channels gunicorn uvicorn websockets
wait "$certificates" || { cat certificates.log >&2; exit 1; }

serve() { # NAME VARIABLES… -- COMMAND…
    unit=$1
    shift
    variables=
    while [ "$1" != -- ]; do variables="$variables --setenv=$1"; shift; done
    shift
    # shellcheck disable=SC2086
    systemd-run --quiet --collect --unit="probe-$unit" --working-directory=/opt/probe $variables -- "$@"
}

gunicorn="venv/bin/gunicorn --no-control-socket --workers 1"
uvicorn="venv/bin/uvicorn --log-level warning"
well=ALLOWED_HOSTS=shop.example.com

# shellcheck disable=SC2086
{
    serve asgi $well -- /opt/probe/$uvicorn --uds /run/probe/asgi.sock --proxy-headers --forwarded-allow-ips='*' site_app:asgi
    serve no-websockets $well -- /opt/probe/$uvicorn --uds /run/probe/no-websockets.sock --ws none site_app:asgi
    serve tls $well -- /opt/probe/$uvicorn --port 9443 --ssl-certfile certificates/good.pem --ssl-keyfile certificates/good.key site_app:asgi
    serve wsgi $well -- /opt/probe/$gunicorn --bind unix:/run/probe/wsgi.sock --threads 4 site_app:wsgi
    serve strict $well -- /opt/probe/$gunicorn --bind unix:/run/probe/strict.sock --timeout 1 site_app:wsgi
    serve hosts ALLOWED_HOSTS=www.example.com -- /opt/probe/$gunicorn --bind unix:/run/probe/hosts.sock site_app:wsgi
    serve loops $well SSL_REDIRECT=yes -- /opt/probe/$uvicorn --uds /run/probe/loops.sock --no-proxy-headers site_app:asgi
    serve redirects $well SSL_REDIRECT=yes TRUST_PROXY=yes -- /opt/probe/$gunicorn --bind unix:/run/probe/redirects.sock site_app:wsgi
    serve stuck $well -- /opt/probe/$gunicorn --bind unix:/run/probe/stuck.sock --backlog 1 --timeout 0 site_app:wsgi
    serve killed $well -- /opt/probe/$gunicorn --bind unix:/run/probe/killed.sock site_app:wsgi
    serve closed $well -- /opt/probe/$gunicorn --bind unix:/run/probe/closed.sock --umask 0177 site_app:wsgi
}
serve odd -- /usr/bin/python3 odd_servers.py

cp nginx.conf /etc/nginx/conf.d/probe.conf
systemctl restart nginx

wait_for() { # TEST FILE
    for _ in $(seq 300); do
        test "$1" "$2" && return
        sleep 0.1
    done
    echo "$2 does not come" >&2
    exit 1
}

for name in asgi no-websockets wsgi strict hosts loops redirects stuck killed closed; do
    wait_for -S /run/probe/$name.sock
done
systemctl kill --signal=KILL probe-killed
serve occupant -- /usr/bin/python3 odd_servers.py occupy /run/probe/stuck.sock
wait_for -e /run/probe/stuck.sock.occupied
