/** `narthex serve`: the store as a binary cache, and over gRPC. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { CompressionObserver } from '../composition/backgroundCompression.ts';
import type { HoldingsConfig } from '../composition/config/serveConfig.ts';
import { fillFrom } from '../composition/farServices.ts';
import { type OpenHoldings, type OpenOptions, openHoldings } from '../composition/openHoldings.ts';
import { Operation } from '../composition/operation.ts';
import { serveStore } from '../composition/serveStore.ts';
import type { Log } from '../operation/log.ts';
import { DEFAULT_COMPRESSION_LEVEL, MAX_COMPRESSION_LEVEL } from '../store/recordEncoding.ts';
import { type Command, type CommandContext, ExitCode, type OptionValues } from './command.ts';
import { OPERATION_HELP, OPERATION_OPTIONS, openLog } from './operationOptions.ts';
import {
  COMPRESS_OPTION,
  NAR_ORIGIN_HELP,
  NAR_ORIGIN_OPTION,
  noArguments,
  STORE_HELP,
  STORE_OPTION,
} from './options.ts';
import { DEFAULT_LISTEN, serveSettings } from './serveSettings.ts';
import { openDirectoryForReading } from './stored.ts';

const MILLISECONDS = 1000;

/** The command. */
export const serve: Command = {
  name: 'serve',
  summary: 'offer the store as a binary cache over HTTP, and over gRPC',
  usage: '[--listen HOST:PORT] [OPTION…]',
  help: [
    '  --config FILE a configuration, which options go before; narthex config check explains it',
    '  --listen HOST:PORT',
    `                where to listen (default: ${DEFAULT_LISTEN.host}:${DEFAULT_LISTEN.port}); port 0 is one that is free`,
    '  --compression none|zstd',
    '                the form of NARs that narinfos point at (default: none); both are served',
    '  --upstream ADDRESS',
    '                from where to bring in what is asked for and not here: a binary cache (URL,',
    '                directory, zip file), nix+URL?trusted_public_keys[0]=KEY to trust another key for it',
    '                alone, or grpc+http://HOST:PORT for another narthex or snix',
    ...NAR_ORIGIN_HELP,
    '  --wait-for-closure',
    '                with --upstream: tell nothing of a path before its whole closure is here',
    '  --negative-ttl SECONDS',
    '                with --upstream: for so long what no upstream has is not asked for again',
    '                (default: 5; 0 for not at all)',
    '  --trusted-public-keys "KEY KEY"',
    '                whose signatures count for what is brought in (default: the key of cache.nixos.org)',
    '  --secret-key-file FILE',
    '                signs what is given out, if something vouches for it',
    '  --compress LEVEL|none|later',
    `                how what comes in is stored: by zstd at a level from 1 to ${MAX_COMPRESSION_LEVEL} (default: ${DEFAULT_COMPRESSION_LEVEL}),`,
    '                or as it is; later means as it is, and compressed in the background an hour or two',
    '                later, as is what mirror --compress later has brought into the store',
    '  --upload-token-file FILE',
    '                takes uploads (nix copy --to) from those who have one of its tokens, one a line,',
    '                NAME:TOKEN or TOKEN',
    '  --require-signatures',
    '                an upload needs a signature by a trusted key',
    '  --nar-urls narhash|infused',
    '                what NAR URLs name (default: narhash): infused ones name the content, so that',
    '                narthex and snix fetch only what they lack, over gRPC',
    '  --priority N  what nix-cache-info says; lower is asked first (default: 30)',
    OPERATION_HELP,
    STORE_HELP,
    '  --json        the address as a line of JSON',
    '',
    'SIGINT (Ctrl-C) and SIGTERM end it once what it is sending is sent; a second one ends it at once.',
  ].join('\n'),
  options: {
    ...STORE_OPTION,
    ...OPERATION_OPTIONS,
    config: { type: 'string' },
    listen: { type: 'string' },
    compression: { type: 'string' },
    priority: { type: 'string' },
    upstream: { type: 'string', multiple: true },
    ...NAR_ORIGIN_OPTION,
    'wait-for-closure': { type: 'boolean' },
    'negative-ttl': { type: 'string' },
    'trusted-public-keys': { type: 'string' },
    'secret-key-file': { type: 'string' },
    'upload-token-file': { type: 'string' },
    ...COMPRESS_OPTION,
    'require-signatures': { type: 'boolean' },
    'nar-urls': { type: 'string' },
  },

  async run(context, values, positionals) {
    noArguments(positionals);
    const settings = await serveSettings(values, context);
    const { upstreams, uploads } = settings;
    const { metrics = false, metricsListen, drainDelay = 0 } = settings.operation;
    const log = openLog(settings.operation, context);
    await using opened = new AsyncDisposableStack();
    const { holdings } = opened.use(
      await openServed(settings.holdings, {
        mayWrite: upstreams.length > 0 || uploads !== undefined,
        compression: settings.compress,
        compressionObserver: compressionLog(log),
      }),
    );
    const operation = opened.use(new Operation({ log, holdings, upstreams }));
    const filled =
      upstreams.length > 0
        ? opened.use(await fillFrom(holdings, { ...settings, ...operation.ingestHooks }))
        : undefined;
    if (filled !== undefined) operation.watchIngest(() => filled.figures());
    await using server = await serveStore(holdings, {
      ...settings,
      ...operation.serverHooks({ metrics }),
      pathInfoService: filled?.pathInfoService,
      pending: filled?.pending,
    });
    operation.watchServer(() => server.figures());
    // stays open until all that is under way has ended
    const own = metricsListen && opened.use(await operation.listen(metricsListen));
    tellAddresses(context, values, server.url, own?.url);
    log.info('listening', { url: server.url, metricsUrl: own?.url });
    await aborted(context.signal);
    log.info('draining', { delaySeconds: drainDelay });
    operation.drain();
    await sleep(drainDelay * MILLISECONDS);
    await server.close();
    log.info('ended');
    return ExitCode.Done;
  },
};

function tellAddresses(
  { stdout }: CommandContext,
  values: OptionValues,
  url: string,
  metricsUrl: string | undefined,
): void {
  if (values['json'] === true) {
    stdout.write(`${JSON.stringify({ event: 'listening', url, metricsUrl })}\n`);
    return;
  }
  stdout.write(`listening on ${url}\n`);
  if (metricsUrl !== undefined) stdout.write(`metrics on ${metricsUrl}\n`);
}

/** Resolves when the signal aborts. */
function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function compressionLog(log: Log): CompressionObserver {
  return {
    compressed({ compressedPacks, level, storedBytesBefore, storedBytes }) {
      log.info('packs compressed', {
        packs: compressedPacks,
        level,
        storedBytesBefore,
        storedBytes,
      });
    },
    failed: (error) => log.error('packs not compressed', {}, error),
  };
}

/** What is served; a store that is not there is an error where nothing would ever come into it. */
async function openServed(config: HoldingsConfig, options: OpenOptions): Promise<OpenHoldings> {
  if (config.type !== 'lmdb' || (options.mayWrite && !config.readOnly)) {
    return await openHoldings(config, options);
  }
  const store = await openDirectoryForReading(config.path);
  if (options.compression === 'later' && !config.readOnly) {
    await store[Symbol.asyncDispose]();
    return await openHoldings(config, { ...options, mayWrite: true });
  }
  return { holdings: store, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
}
