/** `narthex closure`: all that paths refer to, how large it is, and why something is in it. */
import { NarthexError } from '../errors.ts';
import { type ClosureMember, walkClosure } from '../pathinfo/closure.ts';
import type { Evidence, PathInfo } from '../pathinfo/pathInfo.ts';
import { parseStorePathQuery, type StorePathQuery } from '../storePath.ts';
import { type Command, ExitCode } from './command.ts';
import { counted, formatBytes } from './format.ts';
import { pathsOf, STORE_HELP, STORE_OPTION, text } from './options.ts';
import { openForReading, requirePath, shownQuery } from './stored.ts';

/** The command. */
export const closure: Command = {
  name: 'closure',
  summary: 'list all that store paths refer to, with sizes; or why they refer to something',
  usage: '[--why PATH] [--sizes | --digests] [--json] PATH…|-',
  help: [
    '  PATH          store path, base name or hash part; - reads them from standard input',
    '  --why PATH    a shortest chain of references that leads there',
    '  --sizes       with the size of each NAR, largest first, and the sum; and how many references',
    '                are known to be meant by their upstreams (same), to be from another world (mixed)',
    '                or were not compared (unchecked)',
    '  --digests     with the closure digest of each path',
    STORE_HELP,
    '  --json        an array of objects, the roots first',
  ].join('\n'),
  options: {
    ...STORE_OPTION,
    why: { type: 'string' },
    sizes: { type: 'boolean' },
    digests: { type: 'boolean' },
  },

  async run(context, values, positionals) {
    const paths = await pathsOf(positionals, context);
    const why = text(values, 'why');
    const wanted = why === undefined ? undefined : parseStorePathQuery(why);
    if (wanted !== undefined && values['sizes'] === true) {
      throw new NarthexError('USAGE', '--why gives a chain and --sizes a sum: only one of them');
    }
    if (values['digests'] === true && values['sizes'] === true) {
      throw new NarthexError('USAGE', '--sizes or --digests: only one of them');
    }
    await using store = await openForReading(values, context);
    const roots = await Promise.all(paths.map((path) => requirePath(store, path)));
    let members: ClosureMember[] = [];
    const { signal } = context;
    for await (const member of walkClosure(store.pathInfos, roots, { signal })) {
      members.push(member);
    }
    if (wanted !== undefined) members = chainTo(members, wanted);

    if (values['json'] === true) {
      const json = members.map(({ pathInfo, referrer }) => ({
        path: pathInfo.storePath.absolute,
        narSize: pathInfo.claim.narSize,
        closureDigest: pathInfo.closureDigest,
        evidence: evidenceCounts([pathInfo]),
        referrer: referrer?.storePath.absolute ?? null,
      }));
      context.stdout.write(`${JSON.stringify(json, undefined, 2)}\n`);
    } else if (values['sizes'] === true) {
      const sized = members
        .map(({ pathInfo: { storePath, claim } }) => ({ storePath, narSize: claim.narSize }))
        .sort((a, b) => b.narSize - a.narSize);
      for (const { storePath, narSize } of sized) {
        context.stdout.write(`${formatBytes(narSize).padStart(7)}  ${storePath.absolute}\n`);
      }
      const sum = sized.reduce((bytes, { narSize }) => bytes + narSize, 0);
      context.stdout.write(
        `${formatBytes(sum).padStart(7)}  in ${counted(sized.length, 'path')}\n`,
      );
      const { same, mixed, unchecked } = evidenceCounts(members.map(({ pathInfo }) => pathInfo));
      context.stdout.write(`references: ${same} same, ${mixed} mixed, ${unchecked} unchecked\n`);
    } else {
      for (const { pathInfo } of members) {
        const digest = values['digests'] === true ? `${pathInfo.closureDigest.hex}  ` : '';
        context.stdout.write(`${digest}${pathInfo.storePath.absolute}\n`);
      }
    }
    return ExitCode.Done;
  },
};

/** How many references are marked how. */
function evidenceCounts(pathInfos: readonly PathInfo[]): Record<Evidence, number> {
  const counts = { same: 0, mixed: 0, unchecked: 0 };
  for (const { references } of pathInfos) {
    for (const { evidence } of references.values()) counts[evidence]++;
  }
  return counts;
}

/** The members from a root down to the path. @throws PATH_NOT_FOUND it is not in the closure */
function chainTo(members: readonly ClosureMember[], wanted: StorePathQuery): ClosureMember[] {
  const byPathInfo = new Map(members.map((member) => [member.pathInfo, member]));
  const { hashPart, name } = wanted;
  let member = members.find(
    ({ pathInfo: { storePath } }) =>
      storePath.hashPart === hashPart && (name === undefined || storePath.name === name),
  );
  if (member === undefined) {
    const storePath = shownQuery(wanted);
    const roots = members.filter(({ referrer }) => referrer === undefined);
    const shown = roots.map(({ pathInfo }) => pathInfo.storePath.absolute).join(', ');
    const message = `${storePath} is not in the closure of ${shown}`;
    throw new NarthexError('PATH_NOT_FOUND', message, { storePath });
  }
  const chain: ClosureMember[] = [];
  while (member !== undefined) {
    chain.unshift(member);
    member = member.referrer && byPathInfo.get(member.referrer);
  }
  return chain;
}
