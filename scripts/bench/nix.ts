/** Real Nix, as it is compared with, in directories of its own. */
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from './measure/process.ts';

const NIX_CONF = `
build-users-group =
experimental-features = nix-command
require-sigs = true
sandbox = false
substituters =
trusted-public-keys =
`;

/** Where to copy from, and what. */
export interface NixSource {
  readonly url: string;
  /** Roots: their closures are copied. */
  readonly paths: readonly string[];
  readonly publicKey: string;
}

/** Makes commands of Nix; each with a new cache, since Nix remembers narinfos there. */
export class Nix {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** @param parent of the directory for configuration, state and caches */
  static async open(parent: string = tmpdir()): Promise<Nix> {
    const directory = await mkdtemp(join(parent, 'nix-'));
    await mkdir(join(directory, 'conf'));
    await writeFile(join(directory, 'conf/nix.conf'), NIX_CONF);
    return new Nix(directory);
  }

  /** The environment for any of its programs. */
  async environment(): Promise<NodeJS.ProcessEnv> {
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('NIX_'));
    const inside = (name: string) => join(this.#directory, name);
    return {
      ...Object.fromEntries(inherited),
      HOME: this.#directory,
      NIX_CONF_DIR: inside('conf'),
      NIX_LOG_DIR: inside('log'),
      NIX_STATE_DIR: inside('state'),
      NIX_REMOTE: inside('default-store'), // a directory: neither a daemon nor the machine's store
      XDG_CACHE_HOME: await mkdtemp(inside('cache-')),
      XDG_CONFIG_HOME: inside('config'),
    };
  }

  /** `nix copy` into a store: a directory, or a URL such as `file:///cache?compression=zstd`. */
  async copy(source: NixSource, to: string): Promise<Command> {
    const trust = ['--option', 'trusted-public-keys', source.publicKey];
    const args = ['copy', '--from', source.url, '--to', to, ...trust, ...source.paths];
    return { program: 'nix', args, env: await this.environment() };
  }

  /** `nix-store -r` into a store in a directory. @param jobs substituted at the same time */
  async realise(source: NixSource, to: string, jobs: number): Promise<Command> {
    const options = [
      ...['--option', 'substituters', source.url],
      ...['--option', 'trusted-public-keys', source.publicKey],
    ];
    const args = ['--store', to, '-r', `-j${jobs}`, ...options, ...source.paths];
    return { program: 'nix-store', args, env: await this.environment() };
  }
}
