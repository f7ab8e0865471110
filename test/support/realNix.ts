/**
 * Real Nix as a peer of tests, apart from the machine's own: settings, state, caches and the store
 * are in a temporary directory, no daemon is asked, nothing is substituted from elsewhere.
 *
 *     describeWithNix('real Nix takes it', () => {
 *       it('copies and verifies', async () => {
 *         await using nix = await isolatedNix();
 *         await nix.copy({ from: server.url, to: nix.newStore(), paths: [root], publicKeys });
 */
import { execFile, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'vitest';
import { temporaryDirectory } from './temporaryDirectory.ts';

/** When set to `1`, a missing `nix` fails tests that would be skipped. */
const REQUIRE_NIX = 'NARTHEX_REQUIRE_NIX';

/** What `nix --version` says, or `undefined` where there is no Nix. */
export const nixVersion: string | undefined = detectNix();

function detectNix(): string | undefined {
  const { status, stdout } = spawnSync('nix', ['--version'], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}

/** `describe` for tests that run real Nix: skipped by name, or failed if Nix is required. */
export function describeWithNix(name: string, body: () => void): void {
  const title = `${name} (needs nix)`;
  if (nixVersion === undefined && process.env[REQUIRE_NIX] === '1') {
    describe(title, () => {
      it('finds nix', () => {
        throw new Error(`${REQUIRE_NIX}=1 is set and there is no nix`);
      });
    });
    return;
  }
  describe.skipIf(nixVersion === undefined)(title, body);
}

/** What a command of Nix left. */
export interface NixResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How to run a command. */
export interface NixRunOptions {
  /** Default `nix`; or `nix-store`, … */
  readonly program?: string;
  /** Whether another exit status than 0 is a result and no error. Default `false`. */
  readonly mayFail?: boolean;
  readonly environment?: Readonly<Record<string, string>>;
}

/** What to copy, from where to where. */
export interface NixCopyOptions {
  /** A store URL, such as `http://127.0.0.1:1234` or `file:///cache`. */
  readonly from: string;
  /** A directory from {@link IsolatedNix.newStore}, or a store URL. */
  readonly to: string;
  /** Full store paths; their closures are copied. */
  readonly paths: readonly string[];
  /** Trusted keys. An empty list trusts none. */
  readonly publicKeys: readonly string[];
  readonly mayFail?: boolean;
}

/** Nix in a directory of its own. */
export interface IsolatedNix extends AsyncDisposable {
  /** Runs a command, each time with a new `XDG_CACHE_HOME`: Nix remembers narinfos there. */
  run(args: readonly string[], options?: NixRunOptions): Promise<NixResult>;
  /** `nix copy` with signature checking on. */
  copy(options: NixCopyOptions): Promise<NixResult>;
  /** `nix store verify --all`: contents and signatures of all paths of a store. */
  verify(store: string, publicKeys: readonly string[]): Promise<NixResult>;
  /** A directory for `--to` and `--store`; its store paths lie in `<directory>/nix/store`. */
  newStore(): string;
}

const NIX_CONF = `
build-users-group =
experimental-features = nix-command
require-sigs = true
sandbox = false
substituters =
trusted-public-keys =
`;

/** `nix store verify` and `path-info` of a large closure print a lot. */
const OUTPUT_BYTES = 64 * 1024 * 1024;

function execute(
  program: string,
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
): Promise<NixResult> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      program,
      args,
      { env: environment, maxBuffer: OUTPUT_BYTES },
      (error, stdout, stderr) => {
        if (error !== null && typeof error.code !== 'number') reject(error);
        else resolve({ status: child.exitCode ?? -1, stdout, stderr });
      },
    );
  });
}

/** Prepares Nix in a new directory: `await using nix = await isolatedNix()`. */
export async function isolatedNix(): Promise<IsolatedNix> {
  const directory = await temporaryDirectory('nix');
  const inside = (name: string) => join(directory.path, name);
  await mkdir(inside('conf'));
  await writeFile(inside('conf/nix.conf'), NIX_CONF);
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('NIX_'));
  const base = {
    ...Object.fromEntries(inherited),
    HOME: directory.path,
    NIX_CONF_DIR: inside('conf'),
    NIX_LOG_DIR: inside('log'),
    NIX_STATE_DIR: inside('state'),
    NIX_REMOTE: inside('default-store'), // a directory: neither a daemon nor the machine's store
    XDG_CONFIG_HOME: inside('config'),
  };
  let stores = 0;

  async function run(args: readonly string[], options: NixRunOptions = {}): Promise<NixResult> {
    const { program = 'nix', mayFail = false, environment = {} } = options;
    const cache = await mkdtemp(inside('cache-'));
    const result = await execute(program, args, { ...base, XDG_CACHE_HOME: cache, ...environment });
    if (result.status !== 0 && !mayFail) {
      throw new Error(`${program} ${args.join(' ')}: exit ${result.status}\n${result.stderr}`);
    }
    return result;
  }

  const trusting = (keys: readonly string[]) => ['--option', 'trusted-public-keys', keys.join(' ')];

  return {
    run,
    copy: ({ from, to, paths, publicKeys, mayFail = false }) =>
      run(['copy', '--from', from, '--to', to, ...trusting(publicKeys), ...paths], { mayFail }),
    verify: (store, publicKeys) =>
      run(['store', 'verify', '--all', '--store', store, ...trusting(publicKeys)]),
    newStore() {
      stores += 1;
      return inside(`store-${stores}`);
    },
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}
