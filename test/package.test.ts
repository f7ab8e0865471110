/** What would be published: built, packed, installed elsewhere, and used there. */
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

interface Manifest {
  readonly version: string;
  readonly bin: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const manifest: Manifest = JSON.parse(fs.readFileSync(join(root, 'package.json'), 'utf8'));

/** Every file that `exports` and `bin` name, with the name it goes by. */
const entries = [
  ...Object.entries(manifest.exports).flatMap(([name, target]) =>
    (typeof target === 'string' ? [target] : Object.values(target)).map((file) => ({ name, file })),
  ),
  ...Object.entries(manifest.bin).map(([name, file]) => ({ name, file })),
];

/** The modules that can be imported by name: all but JSON. */
const modules = Object.keys(manifest.exports).filter((name) => !name.endsWith('.json'));

/** Runs a program to its end and gives what it wrote. */
function run(program: string, args: readonly string[], cwd: string): string {
  const env = {
    ...process.env,
    // the bin's `#!/usr/bin/env node` is to find the Node that runs the tests
    PATH: [dirname(process.execPath), process.env['PATH']].join(delimiter),
    npm_config_loglevel: 'error',
  };
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd,
    env,
    encoding: 'utf8',
  });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${status}\n${stdout}${stderr}`);
  return stdout;
}

/** The sources as paths relative to src, without their extension. */
function sourceModules(): string[] {
  return fs
    .readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => file.replace(/\.ts$/, ''));
}

test.each(entries)('$name: $file has its source', ({ file }) => {
  const source = file.replace(/^\.\/dist\//, './src/').replace(/(\.d\.ts|\.js)$/, '.ts');
  expect(fs.existsSync(join(root, source)), source).toBe(true);
});

describe('the packed package', () => {
  const consumer = fs.mkdtempSync(join(tmpdir(), 'narthex-package-'));
  const installed = join(consumer, 'node_modules', 'narthex');
  let packed: string[] = [];

  beforeAll(() => {
    run(process.execPath, [join(root, 'scripts', 'build.mjs')], root);
    const report: [{ filename: string; files: { path: string }[] }] = JSON.parse(
      run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', consumer], root),
    );
    packed = report[0].files.map(({ path }) => path);

    fs.mkdirSync(installed, { recursive: true });
    const tarball = join(consumer, report[0].filename);
    run('tar', ['-xzf', tarball, '-C', installed, '--strip-components=1'], consumer);
    // as npm would, but without a network: its dependencies, and nothing that only we develop with
    for (const name of Object.keys({
      ...manifest.dependencies,
      ...manifest.optionalDependencies,
    })) {
      link(join(root, 'node_modules', name), join(consumer, 'node_modules', name));
    }
    for (const [name, file] of Object.entries(manifest.bin)) {
      link(join(installed, file), join(consumer, 'node_modules', '.bin', name));
    }
    fs.writeFileSync(join(consumer, 'package.json'), JSON.stringify({ type: 'module' }));
  });

  afterAll(() => fs.rmSync(consumer, { recursive: true, force: true }));

  test('holds every module with its types, and nothing that is not for users', () => {
    const documents = ['CHANGELOG.md', 'LICENSE', 'README.md', 'package.json'];
    expect(packed).toEqual(expect.arrayContaining(documents));
    const built = packed.filter(
      (path) => !documents.includes(path) && !/^(docs|contrib)\//.test(path),
    );
    const types = sourceModules().map((name) => `dist/${name}.d.ts`);
    const entry = ['dist/cli/main.js', 'dist/index.js', 'dist/chunks/worker.js'];
    const shared = built.filter((path) => /^dist\/chunks\/[\w-]+\.js$/.test(path));
    expect(built.sort()).toEqual([...new Set([...types, ...entry, ...shared])].sort());
  });

  test('is in bundles: far fewer files than sources', () => {
    const scripts = packed.filter((path) => path.endsWith('.js'));
    expect(scripts.length).toBeLessThan(sourceModules().length / 3);
  });

  test('has a program that runs', () => {
    const narthex = join(consumer, 'node_modules', '.bin', 'narthex');
    expect(run(narthex, ['--version'], consumer)).toContain(manifest.version);
    expect(run(narthex, ['--help'], consumer)).toContain('mirror');
  });

  test.each(Object.values(manifest.bin))('imports nothing before it knows Node: %s', (file) => {
    expect(fs.readFileSync(join(installed, file), 'utf8')).not.toMatch(/^import\b/m);
  });

  test.each([
    ['--version', []],
    ['stats', ['@napi-rs/blake-hash', 'lmdb']],
  ])('loads of the packages what a command needs: %s', (command, expected) => {
    const store = join(consumer, `store-${command}`);
    const told = join(consumer, `packages-${command}`);
    const program = join(installed, manifest.bin['narthex'] ?? '');
    const tell = join(root, 'test', 'support', 'tellPackages.mjs');
    const { stderr } = spawnSync(
      process.execPath,
      ['--import', tell, program, command, '--store', store],
      { env: { ...process.env, TOLD_PACKAGES: told }, encoding: 'utf8' },
    );
    const packages = fs.readFileSync(told, 'utf8').split('\n');
    const ours = Object.keys(manifest.dependencies).filter((name) => packages.includes(name));
    expect(ours, stderr).toEqual(expected);
  });

  test.each(modules)('can be imported: %s', (name) => {
    const specifier = join('narthex', name);
    const script = `console.log(Object.keys(await import('${specifier}')).length)`;
    const names = run(process.execPath, ['--input-type=module', '--eval', script], consumer);
    expect(Number(names)).toBeGreaterThan(0);
  });

  test('has a script for worker threads that runs', () => {
    const script = `
      import { DEFAULT_LIMITS, WorkerPool } from 'narthex';
      const word = (text) => {
        const bytes = Buffer.alloc(8 + Math.ceil(text.length / 8) * 8);
        bytes.writeBigUInt64LE(BigInt(text.length));
        bytes.write(text, 8);
        return bytes;
      };
      const nar = Buffer.concat(['nix-archive-1', '(', 'type', 'symlink', 'target', '/', ')'].map(word));
      await using pool = new WorkerPool({ threads: 1, smallNarBytes: 0 });
      const request = { compression: 'none', limits: DEFAULT_LIMITS };
      async function* file() { yield nar; }
      const { narSize } = await pool.narReader.read(request, file(), { async content() {} });
      const { encoding } = await pool.encoder()(new Uint8Array(1_000_000));
      console.log(narSize === nar.length, encoding);
    `;
    const output = run(process.execPath, ['--input-type=module', '--eval', script], consumer);
    expect(output.trim()).toBe('true zstd');
  });

  test('has types that say what they should', () => {
    link(join(root, 'node_modules', '@types'), join(consumer, 'node_modules', '@types'));
    const source = [
      "import { NarthexError } from 'narthex';",
      "export const code: string = new NarthexError('USAGE', '').code;",
      '// @ts-expect-error: fails to compile if the class were `any`',
      "new NarthexError('NO_SUCH_CODE', '');",
      ...modules.map((name, i) => `export * as all${i} from '${join('narthex', name)}';`),
    ];
    fs.writeFileSync(join(consumer, 'use.ts'), source.join('\n'));
    const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
    const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2024'];
    const files = ['--types', 'node', '--skipLibCheck', 'use.ts'];
    expect(run(process.execPath, [compiler, ...options, ...files], consumer)).toBe('');
  });
});

/** A symbolic link from `path` to what is at `target`. */
function link(target: string, path: string): void {
  fs.mkdirSync(dirname(path), { recursive: true });
  fs.symlinkSync(target, path);
}
