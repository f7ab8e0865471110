/** An audit as data. */
import type { AuditOutcome, AuditReport, ClosureAudit } from '../audit/audit.ts';
import { COMPARISON_OUTCOMES, type Comparison, type Testimony } from '../audit/comparison.ts';
import type { PathAudit } from '../audit/pathAudit.ts';

/** The whole report. */
export function auditJson(report: AuditReport, outcome: AuditOutcome): object {
  const { paths, closures, testimonies } = report;
  return {
    outcome,
    paths: paths.map((path) => pathJson(path, testimonies)),
    closures: closures.map((closure) => closureJson(closure, testimonies)),
    upstreams: testimonies.map((testimony) => {
      const outcomes = paths.map(({ pathInfo }) => testimony.of(pathInfo).outcome);
      const counts = COMPARISON_OUTCOMES.map(
        (outcome) => [outcome, outcomes.filter((one) => one === outcome).length] as const,
      );
      return { url: testimony.upstream, ...Object.fromEntries(counts) };
    }),
  };
}

function pathJson(
  { pathInfo, faults, occurrences }: PathAudit,
  testimonies: readonly Testimony[],
): object {
  const { storePath, claim, closureDigest, references } = pathInfo;
  return {
    path: storePath.absolute,
    narHash: claim.narHash.toNixbase32(),
    narSize: claim.narSize,
    closureDigest,
    verifiedBy: claim.verification,
    signedBy: claim.signatures.map(({ keyName }) => keyName),
    references: Array.from(references, ([name, { evidence }]) => ({ name, evidence })),
    faults,
    undeclaredReferences: occurrences?.undeclared ?? null,
    absentReferences: occurrences?.absent ?? null,
    upstreams: testimonies.map((testimony) => ({
      url: testimony.upstream,
      ...comparisonJson(testimony.of(pathInfo)),
    })),
  };
}

function comparisonJson({ outcome, found, error }: Comparison): object {
  return {
    outcome,
    ...(found && {
      narHash: found.narInfo.narHash.toNixbase32(),
      narSize: found.narInfo.narSize,
      references: found.narInfo.references.map(({ baseName }) => baseName),
      signedBy: found.narInfo.signatures.map(({ keyName }) => keyName),
    }),
    ...(error && { error }),
  };
}

function closureJson(
  { root, members, incoherences, agreed, mixed }: ClosureAudit,
  testimonies: readonly Testimony[],
): object {
  return {
    root: root.storePath.absolute,
    closureDigest: root.closureDigest,
    paths: members.length,
    narSize: members.reduce((bytes, { claim }) => bytes + claim.narSize, 0),
    coherent: incoherences.length === 0,
    incoherences: incoherences.map(({ hashPart, variants }) => ({
      hashPart,
      variants: variants.map(({ storePath, claim, closureDigest }) => ({
        path: storePath.absolute,
        narHash: claim.narHash.toNixbase32(),
        closureDigest,
      })),
    })),
    agreed: agreed ?? null,
    mixed,
    upstreams: testimonies.map((testimony) => {
      const verdict = testimony.verdictOn(root);
      return {
        url: testimony.upstream,
        outcome: verdict?.outcome ?? null,
        decidedBy: verdict?.decidedBy ?? null,
      };
    }),
  };
}
