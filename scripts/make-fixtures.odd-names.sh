# Builds a tree of file names that trip up readers of NARs, listings and web pages.
# Each file holds its own name. Run by /bin/sh with $out.
set -eu
umask 022
export PATH=/usr/bin:/bin LC_ALL=C

name() { printf '%s\n' "$1" > "$1"; }
bytes() { name "$(printf "$1")"; }

mkdir "$out"
cd "$out"

mkdir text
cd text
name 'two words'; name ' space first'; name 'space last '; name '  '
name '-rf'; name '--'; name '.profile'; name '...'; name '..x'
name '"'; name "'"; name '`id`'; name '$PATH'; name '\n'; name '*'; name '[a-z]?'; name '!'
name '%2e%2e%2f'; name 'a?b=c#d'; name 'c:'; name 'x;y,z'; name '<b>&lt;'; name '{}'
bytes 'line\nbreak'; bytes 'tab\tstop'; bytes 'carriage\rreturn'; bytes 'escape\033[31m'; bytes 'delete\177'
name "$(printf '%0255d' 0)" # 255 bytes: the longest name
cd ..

mkdir unicode
cd unicode
bytes 'caf\303\251'          # e with acute, one code point
bytes 'cafe\314\201'         # the same composed of two: another name in Nix, the same on a Mac
bytes '\316\264\316\277\316\274\316\256'
bytes '\346\234\250'
bytes '\342\200\256gpj.exe'  # right-to-left override
bytes '\357\273\277bom'      # a byte order mark that belongs to the name
# U+FF5E sorts before U+1F409 in bytes, after it in UTF-16 units (d83d dc09)
bytes '\357\275\236'
bytes '\360\237\220\211'
cd ..

mkdir not-utf8
cd not-utf8
bytes 'caf\351'              # latin1
bytes 'half\342\202'         # ends within a character
bytes 'lone\355\240\275'     # a surrogate
bytes 'overlong\300\256'     # an overlong dot
bytes '\200'
bytes '\377'
mkdir "$(printf 'dir\376')"
( cd "$(printf 'dir\376')"; bytes 'file\376' )
cd ..

# by bytes '-' < '.' < '/' < '0' < 'A' < '_' < 'a'; the slash takes no part
mkdir order
cd order
mkdir lib
printf 'x\n' > lib/z
name lib-z; name lib.z; name lib0; name lib_; name libz; name LIB; name Lib
cd ..

mkdir javascript
cd javascript
name __proto__; name constructor; name prototype; name hasOwnProperty; name toString; name length
name 0; name 1; name 10; name 2
mkdir then
printf 'x\n' > then/__proto__
cd ..

# the words of the NAR grammar, as names
mkdir grammar
cd grammar
name ')'; name '('; name entry; name node; name type; name contents; name executable
name nix-archive-1
mkdir name
printf 'x\n' > 'name/)'
cd ..

# where case does not count these are one name
mkdir case
cd case
name makefile; name Makefile; name MAKEFILE; name 'makefile~nix~case~hack~1'
