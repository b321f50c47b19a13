#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes, in the folder given, an authority and the certificates that a server should and should not have.
set -eu
mkdir -p "$1"
cd "$1"
: > index.txt
echo 1000 > serial
cat > ca.cnf <<CNF
[ca]
default_ca = own
[own]
database = index.txt
serial = serial
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
CNF

request() { # NAME DOMAIN
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -keyout "$1.key" -out "$1.csr" \
        -subj "/CN=$2" -addext "subjectAltName=DNS:$2"
}

issue() { # NAME DOMAIN FROM TO
    request "$1" "$2"
    openssl ca -batch -notext -config ca.cnf -in "$1.csr" -out "$1.pem" -startdate "$3" -enddate "$4"
}

day() { date -u -d "$1" +%Y%m%d%H%M%SZ; }

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -keyout ca.key -out ca.pem \
    -subj "/CN=Shop authority" -days 30
issue good shop.example.com "$(day yesterday)" "$(day 'next month')"
issue expired shop.example.com "$(day '3 days ago')" "$(day yesterday)"
issue future shop.example.com "$(day tomorrow)" "$(day 'next month')"
issue other pay.example.com "$(day yesterday)" "$(day 'next month')"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -keyout self.key -out self.pem \
    -subj "/CN=shop.example.com" -addext "subjectAltName=DNS:shop.example.com" -days 30
