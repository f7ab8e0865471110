/** Configurations and addresses of services: what is wrong is told with its place. */

import { utf8 } from '../../../src/bytes.ts';
import {
  type ConfigFiles,
  readConfig,
  readUpstreamAddress,
} from '../../../src/composition/config/readConfig.ts';
import { isNarthexError } from '../../../src/errors.ts';
import { CACHE_NIXOS_ORG_KEY } from '../../../src/signature.ts';
import { fixtureCache } from '../../support/fixtureCache.ts';
import { Disagreement, type FuzzTarget, pureTarget } from '../target.ts';

const KEY = fixtureCache.publicKey;
const FILES: ConfigFiles = {
  directory: '/etc/narthex',
  async readText(path) {
    if (path.endsWith('token')) return 'ci:0123456789abcdef';
    throw new Error('no such file');
  },
};

const SAMPLES = [
  `listen = "127.0.0.1:8080"
priority = 30
compression = "zstd"
negative_ttl = 5
upload_token_file = "token"
upstreams = ["https://cache.example", "grpc+http://peer.example:8000"]
trusted_public_keys = ["${KEY}"]
`,
  `[blobservices]
root = { type = "lmdb", path = "store" }
[directoryservices.root]
type = "lru"
inner = "memory:"
max_entries = 100
[pathinfoservices.root]
type = "cache"
near = "memory:"
far = "&upstream"
[pathinfoservices.upstream]
type = "nix"
base_url = ["https://cache.example"]
nar_origins = ["https://nars.example"]
trusted_public_keys = "${KEY}"
frankenbuild = "reject"
`,
];
const ADDRESSES = [
  `nix+https://cache.example/x?trusted_public_keys[0]=${encodeURIComponent(KEY)}&nar_origins=any`,
  'grpc+http://peer.example:8000?trust_peer=true',
  'https://cache.example',
];
const WORDS = [
  '[',
  ']',
  '[[',
  ']]',
  '=',
  '"',
  "'''",
  '"""',
  '{',
  '}',
  ',',
  '\n',
  '#',
  '\\u0000',
  '__proto__',
  'constructor.',
  '"\\uD800"',
  '&root',
  '&',
  'memory:',
  'lmdb:',
  'grpc+',
  'nix+',
  '?',
  '%',
  '1e999',
  '0x',
  'nan',
  '1979-05-27',
  'type = "priority"',
  'members = []',
  'type = "nix"',
  'root',
  '.',
  'true',
];

export const configTarget = (): FuzzTarget =>
  pureTarget({
    name: 'config',
    seeds: SAMPLES.map(utf8),
    words: WORDS.map(utf8),
    async run(input) {
      const text = Buffer.from(input).toString();
      try {
        await readConfig(text, 'narthex.toml', FILES);
      } catch (error) {
        if (isNarthexError(error, 'CONFIG_INVALID') && error.facts['line'] === undefined) {
          throw new Disagreement(`no line in ${error.message}`);
        }
        throw error;
      }
      return 'taken';
    },
  });

export const addressTarget = (): FuzzTarget =>
  pureTarget({
    name: 'config-address',
    seeds: ADDRESSES.map(utf8),
    words: WORDS.map(utf8),
    async run(input) {
      const text = Buffer.from(input).toString();
      const trusted = { trustedKeys: [CACHE_NIXOS_ORG_KEY] };
      const { type } = await readUpstreamAddress(text, '--upstream', FILES, trusted);
      return `taken ${type}`;
    },
  });
