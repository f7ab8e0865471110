/** `narthex serve`: the store as a binary cache, and over gRPC. */
import { readFile } from 'node:fs/promises';
import { fillFrom } from '../composition/farServices.ts';
import { openStore } from '../composition/openStore.ts';
import { serveStore } from '../composition/serveStore.ts';
import { NarthexError } from '../errors.ts';
import { excerpt } from '../excerpt.ts';
import { TrustPolicy } from '../pathinfo/trustPolicy.ts';
import { SecretKey } from '../signature.ts';
import { UploadTokens } from '../uploadTokens.ts';
import { type Command, ExitCode, type OptionValues } from './command.ts';
import { errorLine } from './errorLine.ts';
import {
  count,
  noArguments,
  oneOf,
  STORE_HELP,
  STORE_OPTION,
  storeOf,
  text,
  texts,
  trustedKeysOf,
  wrongOption,
} from './options.ts';
import { openForReading } from './stored.ts';

const DEFAULT_LISTEN = '127.0.0.1:8080';

/** The command. */
export const serve: Command = {
  name: 'serve',
  summary: 'offer the store as a binary cache over HTTP, and over gRPC',
  usage: '[--listen HOST:PORT] [OPTION…]',
  help: [
    '  --listen HOST:PORT',
    `                where to listen (default: ${DEFAULT_LISTEN}); port 0 is one that is free`,
    '  --compression none|zstd',
    '                the form of NARs that narinfos point at (default: none); both are served',
    '  --upstream ADDRESS',
    '                from where to bring in what is asked for and not here: a binary cache (URL,',
    '                directory, zip file), or grpc+http://HOST:PORT for another narthex or snix',
    '  --wait-for-closure',
    '                with --upstream: tell nothing of a path before its whole closure is here',
    '  --negative-ttl SECONDS',
    '                with --upstream: for so long what no upstream has is not asked for again',
    '                (default: 5; 0 for not at all)',
    '  --trusted-public-keys "KEY KEY"',
    '                whose signatures count for what is brought in (default: the key of cache.nixos.org)',
    '  --secret-key-file FILE',
    '                signs what is given out, if something vouches for it',
    '  --upload-token-file FILE',
    '                takes uploads (nix copy --to) from those who have one of its tokens, one a line,',
    '                NAME:TOKEN or TOKEN',
    '  --require-signatures',
    '                an upload needs a signature by a trusted key',
    '  --nar-urls narhash|infused',
    '                what NAR URLs name (default: narhash): infused ones name the content, so that',
    '                narthex and snix fetch only what they lack, over gRPC',
    '  --priority N  what nix-cache-info says; lower is asked first (default: 30)',
    STORE_HELP,
    '  --json        the address as a line of JSON',
    '',
    'SIGINT (Ctrl-C) and SIGTERM end it once what it is sending is sent; a second one ends it at once.',
  ].join('\n'),
  options: {
    ...STORE_OPTION,
    listen: { type: 'string' },
    compression: { type: 'string' },
    priority: { type: 'string' },
    upstream: { type: 'string', multiple: true },
    'wait-for-closure': { type: 'boolean' },
    'negative-ttl': { type: 'string' },
    'trusted-public-keys': { type: 'string' },
    'secret-key-file': { type: 'string' },
    'upload-token-file': { type: 'string' },
    'require-signatures': { type: 'boolean' },
    'nar-urls': { type: 'string' },
  },

  async run(context, values, positionals) {
    noArguments(positionals);
    const { host, port } = parseListen(text(values, 'listen') ?? DEFAULT_LISTEN);
    const compression = oneOf(values, 'compression', ['none', 'zstd']) ?? 'none';
    const priority = count(values, 'priority', 0);
    const { stdout, stderr, signal } = context;
    const addresses = texts(values, 'upstream');
    const trustedKeys = trustedKeysOf(values);
    const narUrls = oneOf(values, 'nar-urls', ['narhash', 'infused']) === 'infused';
    const secretKey = await secretKeyOf(values);
    const tokens = await tokensOf(values);
    const checkSignatures = values['require-signatures'] === true;
    await using opened = new AsyncDisposableStack();
    const store = opened.use(
      addresses.length > 0 || tokens !== undefined
        ? await openStore(storeOf(values, context))
        : await openForReading(values, context),
    );
    const negativeTtl = count(values, 'negative-ttl', 0);
    const filled =
      addresses.length > 0
        ? opened.use(
            await fillFrom(store, {
              addresses,
              trustedKeys,
              waitForClosure: values['wait-for-closure'] === true,
              negativeTtlMs: negativeTtl && negativeTtl * 1000,
              onFailure(error) {
                stderr.write(`narthex: not brought in: ${errorLine(error)}\n`);
              },
            }),
          )
        : undefined;
    await using server = await serveStore(store, {
      host,
      port,
      compression,
      priority,
      secretKey,
      narUrls: narUrls ? 'infused' : 'narHash',
      uploads: tokens && { tokens, trust: new TrustPolicy(trustedKeys, { checkSignatures }) },
      pathInfoService: filled?.pathInfoService,
      pending: filled?.pending,
      reportError(error, { method, path }) {
        stderr.write(`narthex: ${method} ${excerpt(path)}: ${errorLine(error)}\n`);
      },
    });
    const { url } = server;
    const json = values['json'] === true;
    stdout.write(
      json ? `${JSON.stringify({ event: 'listening', url })}\n` : `listening on ${url}\n`,
    );
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    await server.close();
    return ExitCode.Done;
  },
};

/** The key of the file that is named, if one is. @throws USAGE | KEY_INVALID */
async function secretKeyOf(values: OptionValues): Promise<SecretKey | undefined> {
  const content = await contentOf(values, 'secret-key-file');
  return content === undefined ? undefined : SecretKey.parse(content.trim());
}

/** The tokens of the file that is named, if one is. @throws USAGE | KEY_INVALID */
async function tokensOf(values: OptionValues): Promise<UploadTokens | undefined> {
  const content = await contentOf(values, 'upload-token-file');
  return content === undefined ? undefined : UploadTokens.parse(content);
}

/** What the file holds that an option names. @throws USAGE */
async function contentOf(values: OptionValues, option: string): Promise<string | undefined> {
  const file = text(values, option);
  if (file === undefined) return undefined;
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const { message } = error instanceof Error ? error : { message: String(error) };
    const facts = { option, actual: file };
    throw new NarthexError('USAGE', `--${option} cannot be read: ${message}`, facts);
  }
}

const LISTEN = /^(?:\[(?<ipv6>[0-9a-fA-F:.]+)\]|(?<host>[^:[\]]*)):(?<port>[0-9]{1,5})$/;
const MAX_PORT = 65_535;

/** Reads `HOST:PORT`, `[IPV6]:PORT` or `:PORT`, the last for all addresses. @throws USAGE */
function parseListen(listen: string): { host: string; port: number } {
  const groups = LISTEN.exec(listen)?.groups;
  const port = Number(groups?.['port']);
  if (groups === undefined || port > MAX_PORT) {
    throw wrongOption('listen', 'HOST:PORT', listen);
  }
  return { host: groups['ipv6'] ?? (groups['host'] || '::'), port };
}
