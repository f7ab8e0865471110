/** What the name of a store path says about the package, as far as it can be told. */

/** The parts of a name such as `hello-2.12-man`. */
export interface PackageName {
  /** `hello`: all before the first dash that no letter follows (Nix: `DrvName` in `names.cc`). */
  readonly name: string;
  /** `2.12`; empty where there is none. */
  readonly version: string;
  /**
   * `man`: a last word after the version, which names an output (Nix: `diff-closures.cc`). It may
   * also be part of the version, as in `1.0-unstable`: the two cannot be told apart. Empty where
   * there is none.
   */
  readonly output: string;
}

const VERSION_START = /-(?![A-Za-z]|$)/;
const OUTPUT = /-([a-z]+|lib32|lib64)$/;

/** Takes the name of a store path apart. */
export function parsePackageName(name: string): PackageName {
  const dash = name.search(VERSION_START);
  if (dash === -1) return { name, version: '', output: '' };
  const rest = name.slice(dash + 1);
  const output = OUTPUT.exec(rest);
  return {
    name: name.slice(0, dash),
    version: output === null ? rest : rest.slice(0, output.index),
    output: output?.[1] ?? '',
  };
}
