#!/bin/sh
# Makes the certificates of the tests anew, beside this script: an authority that nobody trusts unless told
# to, and what it issued. Needs the openssl command; the tests themselves do not.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
forever=99991231235959Z

key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }

cat >"$work/ca.cnf" <<CONFIG
[ca]
default_ca = tests
[tests]
database = $work/index
serial = $work/serial
new_certs_dir = $work
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
CONFIG
: >"$work/index"
echo 01 >"$work/serial"

key "$work/authority.key"
openssl req -new -key "$work/authority.key" -subj "/CN=Authority of the tests" -out "$work/authority.csr"
openssl ca -batch -notext -config "$work/ca.cnf" -selfsign -extensions authority \
    -keyfile "$work/authority.key" -startdate 20000101000000Z -enddate "$forever" \
    -in "$work/authority.csr" -out authority.pem

# issue NAME SUBJECT-ALTERNATIVE-NAMES NOT-BEFORE NOT-AFTER: writes NAME.pem, certificate and key.
issue() {
    key "$work/$1.key"
    openssl req -new -key "$work/$1.key" -subj "/CN=$1" -addext "subjectAltName=$2" -out "$work/$1.csr"
    openssl ca -batch -notext -config "$work/ca.cnf" -extensions leaf -keyfile "$work/authority.key" \
        -cert authority.pem -startdate "$3" -enddate "$4" -in "$work/$1.csr" -out "$work/$1.crt"
    cat "$work/$1.crt" "$work/$1.key" >"$1.pem"
}

issue good "IP:127.0.0.1,DNS:localhost" 20000101000000Z "$forever"
issue expired "IP:127.0.0.1,DNS:localhost" 20000101000000Z 20010101000000Z
issue early "IP:127.0.0.1,DNS:localhost" 99980101000000Z "$forever"
issue other "DNS:other.example.org" 20000101000000Z "$forever"
