/** `narthex info`: what is known about paths. */

import type { Verification } from '../pathinfo/claim.ts';
import type { PathInfo } from '../pathinfo/pathInfo.ts';
import { type Command, ExitCode } from './command.ts';
import { formatBytes } from './format.ts';
import { pathsOf, STORE_HELP, STORE_OPTION } from './options.ts';
import { pathInfoJson } from './pathInfoJson.ts';
import { openForReading, requirePath } from './stored.ts';

/** The command. */
export const info: Command = {
  name: 'info',
  summary: 'tell what is known about store paths',
  usage: '[--json] PATH…|-',
  help: [
    '  PATH          store path, base name or hash part; - reads them from standard input',
    STORE_HELP,
    '  --json        an array of objects',
  ].join('\n'),
  options: STORE_OPTION,

  async run(context, values, positionals) {
    const paths = await pathsOf(positionals, context);
    await using store = await openForReading(values, context);
    const pathInfos: PathInfo[] = [];
    for (const path of paths) pathInfos.push(await requirePath(store, path));
    if (values['json'] === true) {
      const json = pathInfos.map((pathInfo) => pathInfoJson(pathInfo, true));
      context.stdout.write(`${JSON.stringify(json, undefined, 2)}\n`);
    } else {
      context.stdout.write(pathInfos.map(pathInfoText).join('\n'));
    }
    return ExitCode.Done;
  },
};

function pathInfoText(pathInfo: PathInfo): string {
  const { claim, node, references, closureDigest } = pathInfo;
  const root = node.type === 'symlink' ? node.type : `${node.type} ${node.digest}`;
  const rows: [string, string][] = [
    ['NAR', `${claim.narHash.toNixbase32()}, ${formatBytes(claim.narSize)}`],
    ['content', root],
    ['closure', closureDigest.hex],
    ['verified by', verificationText(claim.verification)],
    ['signed by', claim.signatures.map(({ keyName }) => keyName).join(', ') || 'nobody'],
    ['from', claim.origin ?? 'unknown'],
    ...(claim.ca ? [['CA', String(claim.ca)] satisfies [string, string]] : []),
    ...(claim.deriver ? [['deriver', claim.deriver.baseName] satisfies [string, string]] : []),
    ...Array.from(references, ([name, { evidence }]): [string, string] => [
      'refers to',
      evidence === 'same' ? name : `${name} (${evidence})`,
    ]),
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}\n`);
  return `${claim.storePath.absolute}\n${lines.join('')}`;
}

function verificationText(verification: Verification): string {
  switch (verification.by) {
    case 'key':
      return `key ${verification.publicKey}`;
    case 'ca':
      return 'its content address';
    case 'uploader':
      return `uploader ${verification.uploader}`;
    case 'nobody':
      return 'nobody';
  }
}
