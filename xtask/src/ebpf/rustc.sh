#!/bin/sh
# Stands between cargo and rustc (`RUSTC_WRAPPER`) and names each crate by what it is, not by where
# it lies. Cargo makes `-C metadata`, and with it every symbol, out of a crate's source: an absolute
# path or a registry's address. No flag of cargo or rustc takes that away, one more `-C metadata`
# only adds to it.
rustc=$1
shift
for argument in "$@"; do
    shift
    case $argument in
        metadata=*) argument="metadata=$CARGO_PKG_NAME-$CARGO_PKG_VERSION-$CARGO_CRATE_NAME" ;;
    esac
    set -- "$@" "$argument"
done
exec "$rustc" "$@"
