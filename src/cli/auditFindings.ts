/** `narthex audit --findings`: where the worlds of caches and ours were seen to differ. */
import type { KeptFinding } from '../pathinfo/finding.ts';
import { type CommandContext, ExitCode, type OptionValues } from './command.ts';
import { findingJson, findingText } from './findingText.ts';
import { counted } from './format.ts';
import { noArguments } from './options.ts';
import { openForReading } from './stored.ts';

/** Lists all findings that are kept. */
export async function listFindings(
  context: CommandContext,
  values: OptionValues,
  positionals: readonly string[],
): Promise<ExitCode> {
  noArguments(positionals);
  const { signal, stdout } = context;
  await using store = await openForReading(values, context);
  const findings = await Array.fromAsync(store.findings.listFindings({ signal }));
  if (values['json'] === true) {
    stdout.write(`${JSON.stringify(findings.map(keptFindingJson), undefined, 2)}\n`);
  } else {
    const lines = findings.map(keptFindingText);
    stdout.write(`${lines.join('')}${counted(findings.length, 'finding')}\n`);
  }
  return findings.length === 0 ? ExitCode.Done : ExitCode.Findings;
}

function keptFindingText(finding: KeptFinding): string {
  const { ours, theirs, firstSeen, lastSeen } = finding;
  const signers = `signed by ${names(theirs.signedBy)} there, by ${names(ours.signedBy)} here`;
  const first = `first seen ${dateText(firstSeen)}`;
  const seen = firstSeen === lastSeen ? first : `${first}, last ${dateText(lastSeen)}`;
  return `${findingText(finding)}\n  ${signers}; ${seen}\n`;
}

function keptFindingJson(finding: KeptFinding): object {
  const { firstSeen, lastSeen } = finding;
  return {
    ...findingJson(finding),
    firstSeen: new Date(firstSeen).toISOString(),
    lastSeen: new Date(lastSeen).toISOString(),
  };
}

function names(signedBy: readonly string[]): string {
  return signedBy.join(', ') || 'nobody';
}

/** `2026-11-22 14:05:09 UTC` */
function dateText(milliseconds: number): string {
  const [day, time] = new Date(milliseconds).toISOString().split(/[T.]/);
  return `${day} ${time} UTC`;
}
