/** Audits as tests make them, and what they found out in a few words. */
import { type AuditOptions, type AuditReport, audit, outcomeOf } from '../../src/audit/audit.ts';
import type { Witness } from '../../src/audit/witness.ts';
import { NarthexError } from '../../src/errors.ts';
import { parseNarInfo } from '../../src/narinfo/parse.ts';
import type { PathInfo } from '../../src/pathinfo/pathInfo.ts';
import { TrustPolicy } from '../../src/pathinfo/trustPolicy.ts';
import { PublicKey } from '../../src/signature.ts';
import { TEST_KEY } from '../support/syntheticCache.ts';
import type { WorldServices } from './keptWorlds.ts';

export const TRUSTED_KEYS = [PublicKey.parse(TEST_KEY.publicKey)];

/** Audits whole closures with the test key, and asks nobody. */
export async function auditOf(
  services: WorldServices,
  roots: readonly PathInfo[],
  options: Partial<AuditOptions> = {},
): Promise<AuditReport> {
  return await audit(roots, {
    ...services,
    trustedKeys: TRUSTED_KEYS,
    contents: true,
    wholeClosures: true,
    witnesses: [],
    ...options,
  });
}

/** What is wrong: names of paths with the codes of their faults, and closures that are not coherent. */
export function wrong(report: AuditReport): Record<string, unknown> {
  const paths = report.paths
    .filter(({ faults }) => faults.length > 0)
    .map(({ pathInfo, faults }) => [pathInfo.storePath.name, faults.map(({ code }) => code)]);
  const closures = report.closures.flatMap(({ root, incoherences }) =>
    incoherences.map(({ variants }) => [
      `closure of ${root.storePath.name}`,
      variants.map(({ storePath }) => storePath.name),
    ]),
  );
  return Object.fromEntries([...paths, ...closures]);
}

/** The outcome, and by upstream what it says of each path and of the whole closures. */
export function said(report: AuditReport) {
  return {
    outcome: outcomeOf(report),
    paths: report.testimonies.map((testimony) =>
      Object.fromEntries(
        report.paths.map(({ pathInfo }) => [
          pathInfo.storePath.name,
          testimony.of(pathInfo).outcome,
        ]),
      ),
    ),
    closures: report.closures.map(({ root, agreed, mixed }) => ({
      verdicts: report.testimonies.map((testimony) => {
        const { outcome, decidedBy } = testimony.verdictOn(root) ?? {};
        return decidedBy === undefined ? outcome : `${outcome}: ${decidedBy.name}`;
      }),
      agreed,
      mixed,
    })),
  };
}

/** A witness with the narinfos of a cache's files; `ask` comes before it says anything. */
export function witnessOf(
  url: string,
  files: ReadonlyMap<string, Uint8Array>,
  ask: (hashPart: string) => Promise<void> | void = () => {},
): Witness {
  const trust = new TrustPolicy(TRUSTED_KEYS);
  return {
    url,
    async ask({ hashPart }) {
      await ask(hashPart);
      const bytes = files.get(`${hashPart}.narinfo`);
      if (bytes === undefined) return undefined;
      const narInfo = parseNarInfo(bytes);
      return { narInfo, verification: trust.verify(narInfo, url), origin: url };
    },
  };
}

/** A witness that cannot be asked; `asked` counts how often it was tried. */
export function deadWitness(): Witness & { asked: number } {
  return {
    url: 'https://dead',
    asked: 0,
    async ask() {
      this.asked += 1;
      throw new NarthexError('UPSTREAM_FAILED', 'https://dead could not be asked');
    },
  };
}
