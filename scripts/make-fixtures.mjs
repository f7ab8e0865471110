/**
 * Makes test/fixtures/{cache,compressions,cache.json,cache.pub,cache.sec} with real Nix:
 *
 *     node scripts/make-fixtures.mjs
 *
 * Needs Linux, root, Node ≥ 24, `nix` (tried with 2.8) and no network. Nix keeps its database,
 * settings, logs and caches in a temporary directory; only the store paths have to lie in
 * /nix/store while they are built. Those that were not there before are deleted at the end.
 * What each path is for, and what is reproducible: test/fixtures/README.md.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import {
  appendFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  rmdir,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { readFileTree } from '../test/support/fileTree.ts';

const KEY_NAME = 'narthex-fixture-1';
const STORE_DIRECTORY = '/nix/store';
const FIXTURES = join(import.meta.dirname, '../test/fixtures');
const EXPRESSION = join(import.meta.dirname, 'make-fixtures.nix');

/** What Nix's binary cache stores call the compressions; each becomes a tiny cache of one path. */
const COMPRESSIONS = ['none', 'xz', 'zstd', 'bzip2', 'gzip', 'br', 'lz4', 'lzip', 'lzma'];

const NIX_CONF = `
build-users-group =
cores = 1
experimental-features = nix-command
filter-syscalls = false
max-jobs = 2
sandbox = false
substituters =
system = x86_64-linux
`;

const work = await mkdtemp(join(tmpdir(), 'narthex-make-fixtures-'));
const environment = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('NIX_'))),
  HOME: work,
  LC_ALL: 'C.UTF-8',
  NIX_CONF_DIR: join(work, 'conf'),
  NIX_LOG_DIR: join(work, 'log'),
  NIX_REMOTE: 'local', // no daemon, even if there is one
  NIX_STATE_DIR: join(work, 'state'),
  XDG_CACHE_HOME: join(work, 'cache'),
  XDG_CONFIG_HOME: join(work, 'config'),
};

/** Runs a program of Nix; its standard output, trimmed. */
function run(program, ...args) {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    env: environment,
    encoding: 'utf8',
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: exit ${status}\n${stderr}`);
  return stdout.trim();
}

const lines = (text) => text.split('\n').filter((line) => line !== '');

/** The throw-away key: kept if it is there, so that signatures stay the same. */
async function signingKey() {
  const secret = join(FIXTURES, 'cache.sec');
  const publicFile = join(FIXTURES, 'cache.pub');
  if (!existsSync(secret)) {
    run('nix-store', '--generate-binary-cache-key', KEY_NAME, secret, publicFile);
    await appendFile(publicFile, '\n');
    await appendFile(secret, '\n');
  }
  return { secret, publicKey: (await readFile(publicFile, 'utf8')).trim() };
}

/** Paths that are added to the store from outside, each with another kind of content address. */
async function addPaths() {
  const sources = join(work, 'sources');
  await mkdir(join(sources, 'tree/sub'), { recursive: true });
  await writeFile(join(sources, 'tree/sub/file'), 'in a tree\n');
  await writeFile(join(sources, 'tree/script'), '#!/bin/sh\n', { mode: 0o755 });
  await symlink('sub/file', join(sources, 'tree/link'));
  const file = async (name) => {
    const path = join(sources, name);
    await writeFile(path, `${name}\n`);
    return path;
  };
  const addFixed = async (name, algorithm, ...options) =>
    run('nix-store', '--add-fixed', ...options, algorithm, await file(name));
  return {
    'added-flat-sha256': await addFixed('added-flat-sha256', 'sha256'),
    'added-flat-sha512': await addFixed('added-flat-sha512', 'sha512'),
    'added-flat-sha1': await addFixed('added-flat-sha1', 'sha1'),
    'added-flat-md5': await addFixed('added-flat-md5', 'md5'),
    'added-recursive-sha1': await addFixed('added-recursive-sha1', 'sha1', '--recursive'),
    'added-recursive-sha256': run(
      'nix',
      'store',
      'add-path',
      '--name',
      'added-recursive-sha256',
      join(sources, 'tree'),
    ),
  };
}

/** The hash that `fixed-recursive` declares: that of the tree which its builder makes. */
async function fixedRecursiveHash() {
  const tree = join(work, 'fixed-recursive');
  await mkdir(tree);
  await writeFile(join(tree, 'file'), 'fixed, recursive\n');
  return run('nix', 'hash', 'path', tree);
}

/** `{ name = "path"; }` in Nix's language. */
const attributeSet = (entries) =>
  `{ ${Object.entries(entries)
    .map(([name, path]) => `"${name}" = "${path}";`)
    .join(' ')} }`;

/** Builds one attribute of the expression; the paths of its outputs. */
function build(attribute, added, hash) {
  return lines(
    run(
      'nix-build',
      '--no-out-link',
      '--quiet',
      EXPRESSION,
      '-A',
      attribute,
      '--arg',
      'added',
      attributeSet(added),
      '--argstr',
      'fixedRecursiveHash',
      hash,
    ),
  );
}

/** Rewrites a path to a content-addressed one, whose CA is taken modulo its self-references. */
function contentAddressed(path) {
  const { rewrites } = JSON.parse(run('nix', 'store', 'make-content-addressed', '--json', path));
  return rewrites[path];
}

/** Writes the closure of `path` as a signed binary cache. */
async function writeCache(directory, path, secret, options) {
  await rm(directory, { recursive: true, force: true });
  const parameters = new URLSearchParams({ 'secret-key': secret, ...options });
  const url = `file://${directory}?${parameters}`;
  run('nix', 'copy', '--to', url, path);
  // Nix 2.8 writes nothing but StoreDir
  await appendFile(join(directory, 'nix-cache-info'), 'WantMassQuery: 1\nPriority: 40\n');
  return url;
}

/** What is known about a path without reading the cache. */
async function describePath(path) {
  const query = (what) => run('nix-store', '--query', `--${what}`, path);
  // without --derivation, Nix takes a .drv for its outputs; with it, all else for its .drv
  const itself = path.endsWith('.drv') ? ['--derivation'] : [];
  const [info] = JSON.parse(run('nix', 'path-info', '--json', ...itself, path));
  const deriver = query('deriver');
  return {
    storePath: path,
    narHash: query('hash'),
    narSize: Number(query('size')),
    references: lines(query('references'))
      .map((reference) => basename(reference))
      .sort(),
    ...(deriver === 'unknown-deriver' ? {} : { deriver: basename(deriver) }),
    ...(info.ca ? { ca: info.ca } : {}),
    tree: await readFileTree(path),
  };
}

/** JSON that can be read and compared by lines: one a path. */
function renderDescription({ paths, ...rest }) {
  const head = JSON.stringify(rest, undefined, 1).replace(/\n\}$/, '');
  const body = paths.map((path) => `  ${JSON.stringify(path)}`).join(',\n');
  return `${head},\n "paths": [\n${body}\n ]\n}\n`;
}

/** Deletes from /nix/store what this run has put there, and the store if it was not there. */
async function deleteBuilt(before) {
  const known = new Set(before);
  const built = lines(run('nix', 'path-info', '--all')).filter(
    (path) => !known.has(basename(path)),
  );
  if (built.length > 0) run('nix-store', '--delete', ...built);
  if (before === undefined) {
    // rmdir: should another Nix have begun to use it, it stays
    await rmdir(join(STORE_DIRECTORY, '.links')).catch(() => {});
    await rmdir(STORE_DIRECTORY).catch(() => {});
  }
}

const before = existsSync(STORE_DIRECTORY) ? await readdir(STORE_DIRECTORY) : undefined;
try {
  await mkdir(environment.NIX_CONF_DIR);
  await writeFile(join(environment.NIX_CONF_DIR, 'nix.conf'), NIX_CONF);
  const { secret, publicKey } = await signingKey();

  const added = await addPaths();
  const hash = await fixedRecursiveHash();
  const [selfReferring] = build('self-referring', added, hash);
  added['content-addressed'] = contentAddressed(selfReferring);
  const [root] = build('root', added, hash);
  const closure = lines(run('nix-store', '--query', '--requisites', root)).sort();

  const cache = await writeCache(join(FIXTURES, 'cache'), root, secret, {
    compression: 'xz',
    'write-nar-listing': 'true',
    'index-debug-info': 'true',
  });
  for (const attribute of ['app', 'multi']) {
    const [output] = build(attribute, added, hash);
    run(
      'nix',
      'store',
      'copy-log',
      '--to',
      cache,
      run('nix-store', '--query', '--deriver', output),
    );
  }

  const [names] = build('odd-names', added, hash);
  for (const compression of COMPRESSIONS) {
    await writeCache(join(FIXTURES, 'compressions', compression), names, secret, { compression });
  }

  const paths = [];
  for (const path of closure) paths.push(await describePath(path));
  const description = {
    root,
    publicKey,
    compressions: { root: names, kinds: COMPRESSIONS },
    closure,
    paths,
  };
  await writeFile(join(FIXTURES, 'cache.json'), renderDescription(description));
  console.log(
    `${closure.length} paths, ${paths.reduce((sum, { narSize }) => sum + narSize, 0)} bytes of NAR, root ${root}`,
  );
} finally {
  await deleteBuilt(before);
  await rm(work, { recursive: true, force: true });
}
