/** What configuration files say, and what is wrong in them, with its place. */
import { describe, expect, test } from 'vitest';
import { readConfig } from '../../../src/composition/config/readConfig.ts';
import { isNarthexError } from '../../../src/errors.ts';
import { SecretKey } from '../../../src/signature.ts';
import { TEST_KEY } from '../../support/syntheticCache.ts';

const SECRET_KEY = SecretKey.generate('ours-1');
const FILES: Readonly<Record<string, string>> = {
  '/etc/narthex/key': `${SECRET_KEY}\n`,
  '/etc/narthex/tokens': 'ci:token-of-the-tests-0123\n',
  '/etc/narthex/token': 'token-of-the-tests-0123\n',
  '/etc/narthex/netrc': 'machine cache.example login a password b\n',
};

async function read(text: string) {
  return await readConfig(text, 'narthex.toml', {
    directory: '/etc/narthex',
    async readText(path) {
      const content = FILES[path];
      if (content === undefined) throw new Error('no such file');
      return content;
    },
  });
}

/** All faults of a file, as they are shown. */
async function faultsOf(text: string): Promise<readonly string[]> {
  try {
    await read(text);
  } catch (error) {
    if (!isNarthexError(error, 'CONFIG_INVALID')) throw error;
    return error.facts['faults'] as readonly string[]; // which they are
  }
  return [];
}

const ROOTS = `
[blobservices.root]
type = "memory"
[directoryservices.root]
type = "memory"
[pathinfoservices.root]
`;

describe('the short form', () => {
  test('may say nothing at all', async () => {
    expect(await read('')).toMatchObject({ holdings: undefined, upstreams: [] });
  });

  test('is all that serve takes', async () => {
    const config = await read(`
      listen = "[::1]:8080"
      store = "store"
      upstreams = ["https://cache.example", "nix+mirror?no_check_sigs=true", "grpc+http://peer:1"]
      trusted_public_keys = ["${TEST_KEY.publicKey}"]
      secret_key_file = "key"
      upload_token_file = "tokens"
      require_signatures = true
      compression = "zstd"
      nar_urls = "narhash"
      priority = 10
      compress = 9
      wait_for_closure = true
      negative_ttl = 0
    `);
    const trust = [expect.objectContaining({ name: 'narthex-test-1' })];
    expect(config).toMatchObject({
      listen: { host: '::1', port: 8080 },
      holdings: { type: 'lmdb', path: '/etc/narthex/store', readOnly: false },
      upstreams: [
        { baseUrls: ['https://cache.example'], trustedKeys: trust, checkSignatures: true },
        { baseUrls: ['/etc/narthex/mirror'], checkSignatures: false },
        { type: 'grpc', url: 'http://peer:1', trust },
      ],
      requireSignatures: true,
      compression: 'zstd',
      narUrls: 'narHash',
      priority: 10,
      compress: 9,
      waitForClosure: true,
      negativeTtl: 0,
    });
    expect(config.secretKey?.value.name).toBe('ours-1');
  });

  test.each([
    ['memory:', { type: 'memory' }],
    ['lmdb:/a/b', { type: 'lmdb', path: '/a/b', readOnly: false }],
    ['lmdb:///a/b', { type: 'lmdb', path: '/a/b', readOnly: false }],
    ['lmdb:b?read_only=true', { type: 'lmdb', path: '/etc/narthex/b', readOnly: true }],
  ])('takes the store %s', async (store, holdings) => {
    expect((await read(`store = "${store}"`)).holdings).toEqual(holdings);
  });
});

describe('an address', () => {
  const upstreamOf = async (address: string) =>
    (await read(`upstreams = ["${address}"]`)).upstreams;
  const key = (name: string) => String(TEST_KEY.publicKey).replace(/^[^:]*/, name);

  test('has lists in the order of their numbers', async () => {
    const keys = `trusted_public_keys[10]=${key('c')}&trusted_public_keys[0]=${key('a')}&trusted_public_keys[2]=${key('b')}`;
    const [upstream] = await upstreamOf(`nix+https://cache.example?${keys}`);
    if (upstream?.type !== 'nix') throw new Error('it is a binary cache');
    expect(upstream.trustedKeys.map(({ name }) => name)).toEqual(['a', 'b', 'c']);
  });

  test('may have its query after a URL of its own scheme only', async () => {
    const [upstream] = await upstreamOf('https://cache.example?token=a');
    expect(upstream).toMatchObject({ baseUrls: ['https://cache.example?token=a'] });
  });
});

test('keys of the command line count in place of those of the file', async () => {
  const { publicKey } = SecretKey.generate('given-1');
  const text = `trusted_public_keys = "${TEST_KEY.publicKey}"\nupstreams = ["https://cache.example"]`;
  const files = { directory: '/', readText: async () => '' };
  const config = await readConfig(text, 'narthex.toml', files, { trustedKeys: [publicKey] });
  expect(config.trustedKeys).toEqual([publicKey]);
  expect(config.upstreams).toMatchObject([{ trustedKeys: [publicKey] }]);
});

describe('a hierarchy', () => {
  test('of every type', async () => {
    const { holdings } = await read(`
      [blobservices]
      root = { type = "cache", near = "&store", far = "&others" }
      store = { type = "lmdb", path = "store" }
      others = { type = "priority", members = ["&peer", "grpc+https://b.example"] }
      peer = { type = "grpc", url = "http://a.example", token_file = "token" }
      [directoryservices.root]
      type = "lru"
      inner = "&store"
      max_entries = 100
      [directoryservices.store]
      type = "lmdb"
      path = "store"
      [pathinfoservices.root]
      type = "signing"
      inner = "&cached"
      secret_key_file = "key"
      [pathinfoservices.cached]
      type = "cache"
      near = "lmdb:store"
      far = "&upstream"
      negative_ttl_ms = 0
      [pathinfoservices.upstream]
      type = "nix"
      base_url = ["https://cache.example", "https://other.example"]
      trusted_public_keys = "${TEST_KEY.publicKey}"
      frankenbuild = "reject"
      netrc_file = "netrc"
      nar_origins = ["https://nars.example"]
    `);
    if (holdings?.type !== 'hierarchy') throw new Error('it is a hierarchy');
    const { hierarchy } = holdings;
    expect([...hierarchy.blobservices.keys()]).toEqual([
      'root',
      'store',
      'others',
      'peer',
      'grpc+https://b.example',
    ]);
    expect(hierarchy.blobservices.get('peer')?.config).toMatchObject({
      token: { path: '/etc/narthex/token', value: 'token-of-the-tests-0123' },
    });
    expect(hierarchy.pathinfoservices.get('upstream')?.config).toMatchObject({
      baseUrls: ['https://cache.example', 'https://other.example'],
      frankenbuild: 'reject',
      narOrigins: ['https://nars.example'],
      blobService: { name: 'root' },
    });
    expect(hierarchy.pathinfoservices.get('lmdb:store')?.config).toMatchObject({
      path: '/etc/narthex/store',
    });
  });

  test('may lead from a binary cache back to itself', async () => {
    const config = `${ROOTS}type = "cache"\nnear = "memory:"\nfar = "nix+https://cache.example"`;
    expect(await faultsOf(config)).toEqual([]);
  });
});

const at = (place: string) => `narthex.toml:${place}`;
/** Where blobs and directories go, and PathInfos are. */
const kept = (blobs: string, pathInfos: string) => `
[blobservices]
root = ${blobs}
[directoryservices]
root = { type = "memory" }
[pathinfoservices]
${pathInfos}`;

test.each<[string, string, string[]]>([
  [
    'an origin that is none',
    `${ROOTS}type = "nix"\nbase_url = "https://h"\nnar_origins = ["https://h/folder"]`,
    [at("9:1: pathinfoservices.root.nar_origins: 'https://h/folder' is no origin, nor 'any'")],
  ],
  ['no TOML', 'listen = ', [at('1:10: ')]],
  ['an unknown key', 'liste = "a:1"', [at('1:1: liste: not known here; known are ')]],
  [
    'an unknown key of a service',
    `${ROOTS}type = "memory"\npath = "x"`,
    [at('8:1: pathinfoservices.root.path: not known here; known are type')],
  ],
  [
    'a wrong type',
    'priority = "high"',
    [at("1:12: priority: should be a whole number from 0, not 'high'")],
  ],
  [
    'neither a level nor a word',
    'compress = "never"',
    [
      at(
        "1:12: compress: should be a whole number from 1 to 19, or one of none, later, not 'never'",
      ),
    ],
  ],
  [
    'a level that there is not',
    'compress = 20',
    [at('1:12: compress: should be a whole number from 1 to 19, or one of none, later, not 20')],
  ],
  [
    'a fraction',
    'priority = 1.5',
    [at('1:12: priority: should be a whole number from 0, not a fraction')],
  ],
  [
    'a wrong word',
    'compression = "xz"',
    [at("1:15: compression: should be one of none, zstd, not 'xz'")],
  ],
  [
    'no address to listen at',
    'listen = "8080"',
    [at("1:1: listen: should be HOST:PORT, not '8080'")],
  ],
  ['a key that is none', 'trusted_public_keys = ["k"]', [at('1:24: trusted_public_keys: ')]],
  [
    'a file that is not there',
    'secret_key_file = "gone"',
    [at('1:1: secret_key_file: /etc/narthex/gone cannot be read: no such file')],
  ],
  ['a file that holds something else', 'secret_key_file = "netrc"', [at('1:1: secret_key_file: ')]],
  [
    'an address of nothing',
    'upstreams = ["https://a.example", "gopher://b"]',
    [at("1:35: upstreams: 'gopher://b' is no http or https or file URL")],
  ],
  [
    'an unknown key in an address',
    'store = "lmdb:/a?mode=ro"',
    [at('1:1: store?mode: not known here; known are path, read_only, type')],
  ],
  [
    'a key twice in an address',
    'store = "lmdb:/a?read_only=true&read_only=true"',
    [at("1:1: store: 'read_only' is given twice")],
  ],
  [
    'a store beside services',
    `store = "x"\n${ROOTS}type = "memory"`,
    [at('1:1: store: of no use beside services: their roots are what is served')],
  ],
  [
    'a root that is missing',
    '[blobservices.root]\ntype = "memory"',
    [at('1:1: [directoryservices.root] is missing'), at('1:1: [pathinfoservices.root] is missing')],
  ],
  [
    'a reference that dangles',
    `${ROOTS}type = "lru"\nmax_entries = 1\ninner = "&other"`,
    [at('9:9: pathinfoservices.root.inner: there is no pathinfoservices.other; there are &root')],
  ],
  [
    'no reference',
    `${ROOTS}type = "readonly"\ninner = "root"`,
    [
      at(
        `8:9: pathinfoservices.root.inner: should be a reference, "&name", or an address, not 'root'`,
      ),
    ],
  ],
  [
    'a service of itself',
    `${ROOTS}type = "readonly"\ninner = "&root"`,
    [
      at(
        '8:9: pathinfoservices.root.inner: is made of itself: pathinfoservices.root → pathinfoservices.root',
      ),
    ],
  ],
  [
    'a circle of three',
    `${ROOTS}type = "readonly"
inner = "&a"
[pathinfoservices.a]
type = "lru"
max_entries = 1
inner = "&b"
[pathinfoservices.b]
type = "priority"
members = ["memory:", "&root"]`,
    [
      at(
        '15:23: pathinfoservices.b.members: is made of itself: pathinfoservices.root → pathinfoservices.a → pathinfoservices.b → pathinfoservices.root',
      ),
    ],
  ],
  [
    'a key that a type needs',
    `${ROOTS}type = "nix"`,
    [at('6:19: pathinfoservices.root: base_url is missing')],
  ],
  [
    'a type that is none',
    `${ROOTS}type = "redis"`,
    [
      at(
        '7:8: pathinfoservices.root.type: should be one of memory, lmdb, grpc, cache, lru, priority, readonly, signing, nix, not ',
      ),
    ],
  ],
  [
    'a list of tables',
    '[[blobservices]]\ntype = "memory"',
    [
      at(
        '1:3: blobservices: should be tables of services, [blobservices.NAME], not a list of tables',
      ),
    ],
  ],
  [
    'lists that are nested without an end',
    `priority = ${'['.repeat(100_000)}${']'.repeat(100_000)}`,
    [at('1:1: lists or tables are nested too deeply')],
  ],
  [
    'a key that would write to the terminal',
    '"\\u001b[2J" = 1',
    [at('1:1: \\x1b[2J: not known here')],
  ],
  [
    'one key as text and as a list in an address',
    'upstreams = ["nix+https://a.example?base_url[0]=https://b.example"]',
    [at("1:14: upstreams: 'base_url[0]' is given twice")],
  ],
  [
    'an item twice in an address',
    'upstreams = ["nix+a?trusted_public_keys[1]=a&trusted_public_keys[1]=b"]',
    [at("1:14: upstreams: 'trusted_public_keys[1]' is given twice")],
  ],
  [
    'a host in front of a path',
    'store = "lmdb://store/a"',
    [at("1:1: store: 'lmdb://store/a' is no address; there are ")],
  ],
  [
    'no member at all',
    `${ROOTS}type = "priority"\nmembers = []`,
    [at('8:11: pathinfoservices.root.members: should be at least one reference, not a list')],
  ],
  [
    'a password for a peer, which would not be sent',
    'upstreams = ["grpc+http://me:secret@peer.example:1"]',
    [at('1:14: upstreams?url: takes neither user and password nor a query')],
  ],
  [
    'a token that cannot be sent',
    `${ROOTS}type = "grpc"\nurl = "http://peer:1"\ntoken_file = "netrc"`,
    [at('9:1: pathinfoservices.root.token_file: a token is one line of printable ASCII')],
  ],
  [
    'an address with a password, which is not told',
    'upstreams = ["ftp://me:sec@ret@a.example/x?token=secret"]',
    [at("1:14: upstreams: 'ftp://a.example/x?…' is no http or https or file URL")],
  ],
  [
    'a reference beside an address with a password',
    `${ROOTS}type = "cache"\nnear = "&gone"\nfar = "nix+https://me:secret@a.example"`,
    [at('8:8: pathinfoservices.root.near: there is no pathinfoservices.gone; there are &root')],
  ],
  [
    'a binary cache alone, which keeps nothing',
    `${ROOTS}type = "nix"\nbase_url = "https://a.example"`,
    [
      at(
        '6:19: pathinfoservices.root: there is no place for what it brings in: pathinfoservices.root takes no writes',
      ),
    ],
  ],
  [
    'a cache before what takes no writes',
    `${ROOTS}type = "cache"\nnear = "&a"\nfar = "memory:"\n[pathinfoservices.a]\ntype = "lru"\nmax_entries = 1\ninner = "lmdb:/a?read_only=true"`,
    [
      at(
        '8:8: pathinfoservices.root.near: there is no place for what it brings in: pathinfoservices.lmdb:/a?… takes no writes',
      ),
    ],
  ],
  [
    'a binary cache whose blobs take no writes',
    kept(
      '{ type = "readonly", inner = "memory:" }',
      'root = { type = "cache", near = "memory:", far = "nix+https://a.example" }',
    ),
    [
      at(
        '7:50: pathinfoservices.root.far: there is no place for what it brings in: blobservices.root takes no writes',
      ),
    ],
  ],
  [
    'PathInfos in a store that has not their content',
    kept(
      '{ type = "lmdb", path = "/a" }',
      'root = { type = "cache", near = "lmdb:/a", far = "nix+https://a.example" }',
    ),
    [
      at(
        '7:50: pathinfoservices.root.far: there is no place for what it brings in: pathinfoservices.lmdb:/a takes only PathInfos whose content is in the same store, and content goes to directoryservices.root',
      ),
    ],
  ],
  [
    'uploads into what takes no writes',
    'store = "lmdb:/a?read_only=true"\nupload_token_file = "tokens"\nupstreams = ["https://a.example"]',
    [
      at('2:1: upload_token_file: of no use here: store takes no writes'),
      at('3:1: upstreams: of no use here: store takes no writes'),
    ],
  ],
  [
    'several at once, in order',
    'priority = -1\nlisten = 5\nwhat = 1',
    [
      at('1:12: priority: should be a whole number from 0, not -1'),
      at('2:10: listen: should be text that is not empty, not 5'),
      at('3:1: what: not known here'),
    ],
  ],
])('%s is told with its place', async (_, text, expected) => {
  const faults = await faultsOf(text);
  expect(faults.map((fault, i) => fault.slice(0, expected[i]?.length))).toEqual(expected);
});
