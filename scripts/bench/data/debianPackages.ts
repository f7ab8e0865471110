/** Debian packages and what they depend on, as apt on this machine knows them. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { BenchError } from '../benchError.ts';

/** One version of a package. */
export interface DebianPackage {
  readonly name: string;
  readonly version: string;
  /** Of the `.deb`, in lower-case hexadecimal digits. */
  readonly sha256: string;
  readonly sizeBytes: number;
  /** Names of packages, the first of each group of alternatives. */
  readonly dependencies: readonly string[];
}

/** All versions of a package that can be downloaded, newest first. */
export type Versions = readonly [DebianPackage, ...DebianPackage[]];

const execute = promisify(execFile);
const OUTPUT_BYTES = 256 * 1024 * 1024;
/** Packages asked for in one call, so that the command line stays short. */
const BATCH = 40;

/** What `Depends` and `Pre-Depends` say: `a (>= 1) | b, c:any` → a, c. */
function dependencyNames(...fields: readonly (string | undefined)[]): string[] {
  const groups = fields.flatMap((field) => (field ?? '').split(','));
  const names = groups.map((group) => /^\s*([^\s:(|[]+)/.exec(group)?.[1] ?? '');
  return [...new Set(names.filter((name) => name !== ''))];
}

function parseStanza(stanza: string): DebianPackage | undefined {
  const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(stanza)?.[1];
  const [name, version, sha256] = [field('Package'), field('Version'), field('SHA256')];
  // what is installed and cannot be downloaded has no file
  if (field('Filename') === undefined || !name || !version || !sha256) return undefined;
  const dependencies = dependencyNames(field('Pre-Depends'), field('Depends'));
  return { name, version, sha256, sizeBytes: Number(field('Size')), dependencies };
}

/** Asks apt for packages; a name that is virtual, or unknown, is not in the answer. */
async function aptShow(names: readonly string[]): Promise<Map<string, Versions>> {
  const { stdout } = await execute('apt-cache', ['show', '--all-versions', ...names], {
    maxBuffer: OUTPUT_BYTES,
  }).catch((error: { code?: unknown; stdout?: string }) => {
    // it fails where one of the names is unknown, having told of the others
    if (typeof error.code === 'number') return { stdout: error.stdout ?? '' };
    throw new BenchError('without apt (Debian) no closure can be made: name one with --cache DIR');
  });
  const versions = new Map<string, Versions>();
  for (const stanza of stdout.split('\n\n')) {
    const found = parseStanza(stanza);
    if (found === undefined) continue;
    const known = versions.get(found.name);
    if (known?.some(({ version }) => version === found.version)) continue;
    versions.set(found.name, known === undefined ? [found] : [...known, found]);
  }
  return versions;
}

/**
 * The packages of a closure by name. Of alternatives the first counts; what apt does not know under
 * its own name (virtual packages) is left out.
 * @throws BenchError a root is not known
 */
export async function packageClosure(
  roots: readonly string[],
): Promise<ReadonlyMap<string, Versions>> {
  const closure = new Map<string, Versions>();
  const asked = new Set<string>();
  for (let wanted = [...roots]; wanted.length > 0; ) {
    const found = await aptShow(wanted);
    for (const name of wanted) asked.add(name);
    const next = new Set<string>();
    for (const [name, versions] of found) {
      closure.set(name, versions);
      for (const dependency of versions[0].dependencies) {
        if (!asked.has(dependency)) next.add(dependency);
      }
    }
    wanted = [...next];
  }
  const unknown = roots.filter((root) => !closure.has(root));
  if (unknown.length === 0) return closure;
  throw new BenchError(`apt knows no package ${unknown.join(', ')}: run "apt-get update"?`);
}

/**
 * Downloads packages that are not in `directory` yet.
 * @returns the path of each one's `.deb`
 * @throws BenchError
 */
export async function downloadPackages(
  packages: readonly DebianPackage[],
  directory: string,
  say: (line: string) => void,
): Promise<Map<DebianPackage, string>> {
  await mkdir(directory, { recursive: true });
  const fileOf = (wanted: DebianPackage) => join(directory, `${wanted.sha256}.deb`);
  const missing = packages.filter((wanted) => !existsSync(fileOf(wanted)));
  for (let done = 0; done < missing.length; done += BATCH) {
    const batch = missing.slice(done, done + BATCH);
    say(`downloading packages ${done + 1} to ${done + batch.length} of ${missing.length}`);
    const names = batch.map(({ name, version }) => `${name}=${version}`);
    const options = ['-qq', '-o', 'APT::Sandbox::User=root', 'download'];
    await execute('apt-get', [...options, ...names], { cwd: directory }).catch((error: Error) => {
      throw new BenchError(`${error.message}\nrun "apt-get update"?`);
    });
    // apt-get has compared the hashes
    const files = (await readdir(directory)).filter((file) => file.includes('_'));
    for (const wanted of batch) {
      const prefix = `${wanted.name}_${wanted.version.replaceAll(':', '%3a')}_`;
      const file = files.find((name) => name.startsWith(prefix));
      if (file === undefined) throw new BenchError(`apt-get download left no ${prefix}*.deb`);
      await rename(join(directory, basename(file)), fileOf(wanted));
    }
  }
  return new Map(packages.map((wanted) => [wanted, fileOf(wanted)]));
}
