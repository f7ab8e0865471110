# The store paths of test/fixtures/cache, built by `make-fixtures.mjs`. test/fixtures/README.md says
# what each is for. Nothing but /bin/sh and the programs of any Linux is needed to build them.
{
  # store paths added by hand, by attribute name: { name = "/nix/store/…"; }
  added,
  # the NAR hash of `fixed-recursive`, SRI
  fixedRecursiveHash,
}:
let
  # the same store paths whatever the machine: nothing here but shell (nix.conf says the same)
  system = "x86_64-linux";

  make =
    name: script: attributes:
    derivation (
      {
        inherit name system;
        builder = "/bin/sh";
        args = [
          "-euc"
          ("export PATH=/usr/bin:/bin LC_ALL=C; umask 022; " + script)
        ];
      }
      // attributes
    );

  makeFrom =
    name: file: attributes:
    derivation (
      {
        inherit name system;
        builder = "/bin/sh";
        args = [ file ];
      }
      // attributes
    );

  # 12 decimal digits a line from a linear congruential generator: the same everywhere, about 40%
  # of its size when compressed, no two chunks alike
  digits = ''
    digits() {
        awk -v seed="$1" -v lines="$2" 'BEGIN {
            x = seed
            for (i = 0; i < lines; i++) {
                line = ""
                for (j = 0; j < 3; j++) {
                    x = (x * 69069 + 1) % 4294967296
                    line = line sprintf("%04d", int(x / 65536) % 10000)
                }
                print line
            }
        }'
    }
  '';

  paths = rec {
    # ---- one node as the whole path
    single-file = make "single-file" "echo 'a single file' > $out" { };
    single-file-twin = make "single-file-twin" "echo 'a single file' > $out" { };
    single-executable =
      make "single-executable" "printf '#!/bin/sh\\necho single\\n' > $out; chmod 755 $out"
        { };
    single-symlink = make "single-symlink" "ln -s $target $out" { target = single-file; };
    single-dangling-symlink = make "single-dangling-symlink" "ln -s /nowhere/at/all $out" { };
    empty-file = make "empty-file" ": > $out" { };
    empty-directory = make "empty-directory" "mkdir $out" { };

    # ---- odd trees
    odd-names = makeFrom "odd-names-1.0" ./make-fixtures.odd-names.sh { };
    odd-nodes = makeFrom "odd-nodes-1.0" ./make-fixtures.odd-nodes.sh { dependency = single-file; };

    # ---- content that is cut into chunks; 1.1 differs from 1.0 by a line near the middle
    large-1-0 = make "large-1.0" (
      digits
      + ''
        mkdir -p $out/share
        digits 1 50000 > $out/share/digits
        digits 2 100 > $out/share/small
      ''
    ) { };
    large-1-1 = make "large-1.1" (
      digits
      + ''
        mkdir -p $out/share
        digits 1 50000 | sed '25000i one line more' > $out/share/digits
        digits 2 100 > $out/share/small
        ln -s digits $out/share/current
      ''
    ) { };

    # ---- text, fixed-output: content-addressed paths
    text = builtins.toFile "text" "text without references\n";
    text-with-reference = builtins.toFile "text-with-reference" "text that refers to ${text}\n";
    fixed-flat = make "fixed-flat" "printf 'fixed, flat\\n' > $out" {
      outputHashMode = "flat";
      outputHashAlgo = "sha256";
      outputHash = builtins.hashString "sha256" "fixed, flat\n";
    };
    fixed-recursive = make "fixed-recursive" "mkdir $out; echo 'fixed, recursive' > $out/file" {
      outputHashMode = "recursive";
      outputHashAlgo = "sha256";
      outputHash = fixedRecursiveHash;
    };

    # ---- a derivation as content; its closure are derivations and sources
    recipe-reference = make "recipe-reference" "echo $recipe > $out" {
      recipe = builtins.unsafeDiscardOutputDependency recipe.drvPath;
    };

    # ---- several outputs: dev refers to out, out to itself, doc to nothing
    multi = derivation {
      name = "multi-1.2.3";
      inherit system;
      builder = "/bin/sh";
      outputs = [
        "out"
        "dev"
        "doc"
        "debug"
      ];
      args = [
        "-euc"
        ''
          export PATH=/usr/bin:/bin LC_ALL=C; umask 022
          echo "building multi"
          mkdir -p $out/lib $dev/include $dev/lib/pkgconfig $doc/share/doc/multi
          printf 'not really ELF, found in %s/lib\n' $out > $out/lib/libmulti.so.1.2.3
          ln -s libmulti.so.1.2.3 $out/lib/libmulti.so.1
          echo 'int multi(void);' > $dev/include/multi.h
          echo "prefix=$out" > $dev/lib/pkgconfig/multi.pc
          ln -s $out/lib/libmulti.so.1 $dev/lib/libmulti.so
          echo 'How to use multi.' > $doc/share/doc/multi/README
          id=$debug/lib/debug/.build-id/1f
          mkdir -p $id
          echo 'not really DWARF' > $id/0123456789abcdef0123456789abcdef012345.debug
          echo "built multi"
        ''
      ];
    };
    multi-dev = multi.dev;
    multi-doc = multi.doc;
    multi-debug = multi.debug;

    # ---- a diamond: app -> (left, right) -> multi
    left = make "left-0.1" "mkdir $out; echo $multi > $out/uses" { inherit multi; };
    right = make "right-0.1" "mkdir $out; echo $multi > $out/uses; echo $out > $out/self" {
      inherit multi;
    };
    app = make "app-2.0" ''
      echo "building app" >&2
      mkdir -p $out/bin $out/share
      printf '#!/bin/sh\nexec %s/bin/app "$@" # with %s and %s\n' $out $left $right > $out/bin/app
      chmod 755 $out/bin/app
      echo 'not really ELF' > $out/bin/.app-wrapped
      chmod 755 $out/bin/.app-wrapped
      ln -s $left/uses $out/share/left
    '' { inherit left right; };
  }
  // builtins.mapAttrs (name: path: builtins.storePath path) added;

  # only its .drv is in the cache
  recipe = make "recipe" "cat $source $input > $out" {
    source = paths.text;
    input = paths.single-file;
  };
in
{
  inherit (paths) app multi odd-names;
  # what `nix store make-content-addressed` rewrites: see make-fixtures.mjs
  self-referring = make "self-referring" ''
    mkdir $out
    echo "I am $out" > $out/self
    echo "I need $dependency" > $out/dependency
    ln -s $out/self $out/link
  '' { dependency = paths.text-with-reference; };

  root = make "fixture-root" ''
    mkdir $out
    set -- $paths
    for name in $names; do
        ln -s $1 $out/$name
        shift
    done
  '' {
    names = builtins.attrNames paths;
    paths = builtins.attrValues paths;
  };
}
