# Builds a tree of odd kinds of nodes: empty ones, executables, symlinks to nowhere, sizes at the
# edges of padding, a deep directory, references inside of binaries. Run by /bin/sh with $out and
# $dependency (a store path).
set -eu
umask 022
export PATH=/usr/bin:/bin LC_ALL=C

mkdir "$out"
cd "$out"

: > empty
mkdir -p nothing directories/a directories/b/c

mkdir executable
printf '#!/bin/sh\necho it runs\n' > executable/script
: > executable/empty
printf 'not executable\n' > executable/plain
chmod 755 executable/script executable/empty
ln executable/script executable/hard-link

mkdir links
cd links
ln -s /nonexistent/target dangling
ln -s . here
ln -s .. up
ln -s pong ping
ln -s ping pong
ln -s ../executable/script relative
ln -s ../../../../../../../../etc/hostname out-of-the-store
ln -s "$out/executable" absolute-self
ln -s "$dependency" absolute-dependency
ln -s "$(printf 'latin1-\351')" not-utf8
ln -s ' ' space
ln -s "$(printf '%0900d' 0)" long
cd ..

# NAR pads to 8 bytes
mkdir padding
for size in 1 7 8 9 15 16 17 511 512 513; do
    head -c "$size" /dev/zero | tr '\000' 'p' > "padding/$size"
done
head -c 300000 /dev/zero > zeros

# Nix of 2026 refuses more than 64 levels; this stays below, with the root and deep itself
mkdir deep
(
    cd deep
    level=1
    while [ "$level" -le 60 ]; do
        mkdir d
        cd d
        level=$((level + 1))
    done
    printf 'the bottom\n' > bottom
)

# references are found in the middle of binaries too
printf 'this is %s\n' "$out" > self
{
    head -c 65530 /dev/zero
    printf '%s' "$dependency"
    head -c 1000 /dev/zero
} > reference-in-binary
