/** `narthex serve`: the store as a binary cache. */
import { serveStore } from '../composition/serveStore.ts';
import { excerpt } from '../excerpt.ts';
import { type Command, ExitCode } from './command.ts';
import { errorLine } from './errorLine.ts';
import {
  count,
  noArguments,
  oneOf,
  STORE_HELP,
  STORE_OPTION,
  text,
  wrongOption,
} from './options.ts';
import { openForReading } from './stored.ts';

const DEFAULT_LISTEN = '127.0.0.1:8080';

/** The command. */
export const serve: Command = {
  name: 'serve',
  summary: 'offer the store as a binary cache over HTTP',
  usage: '[--listen HOST:PORT] [OPTION…]',
  help: [
    '  --listen HOST:PORT',
    `                where to listen (default: ${DEFAULT_LISTEN}); port 0 is one that is free`,
    '  --compression none|zstd',
    '                the form of NARs that narinfos point at (default: none); both are served',
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
  },

  async run(context, values, positionals) {
    noArguments(positionals);
    const { host, port } = parseListen(text(values, 'listen') ?? DEFAULT_LISTEN);
    const compression = oneOf(values, 'compression', ['none', 'zstd']) ?? 'none';
    const priority = count(values, 'priority', 0);
    const { stdout, stderr, signal } = context;
    await using store = await openForReading(values, context);
    await using server = await serveStore(store, {
      host,
      port,
      compression,
      priority,
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
