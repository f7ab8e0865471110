/** What became of a preference: between messages and strict values. */
import { create } from '@bufbuild/protobuf';
import type { VariantKey } from '../../pathinfo/currentView.ts';
import type { PreferConflict, PreferResult } from '../../pathinfo/preferVariant.ts';
import { formatHashPart } from '../../storePath.ts';
import { asField, digestFrom, invalidField } from '../fields.ts';
import {
  type PreferResponse,
  PreferResponseSchema,
  type PreferResponse_Conflict as ProtoConflict,
  type VariantKey as ProtoVariantKey,
  VariantKeySchema,
} from '../gen/narthex/store/v1/rpc_variant_pb.ts';

/** The message. */
export function preferResultToProto(result: PreferResult): PreferResponse {
  if (result.outcome === 'refused') {
    return create(PreferResponseSchema, {
      conflicts: result.conflicts.map((conflict) => ({ kind: kindToProto(conflict) })),
    });
  }
  return create(PreferResponseSchema, {
    switched: result.switched.map(({ previous, ...key }) => ({
      variant: keyToProto(key),
      previous: previous?.bytes ?? new Uint8Array(),
    })),
  });
}

/** @throws PROTO_INVALID with the `field` */
export function preferResultFromProto({ switched, conflicts }: PreferResponse): PreferResult {
  if (conflicts.length > 0) {
    return {
      outcome: 'refused',
      conflicts: conflicts.map((conflict, i) => conflictFrom(conflict, `conflicts[${i}]`)),
    };
  }
  return {
    outcome: 'switched',
    switched: switched.map(({ variant, previous }, i) => {
      const field = `switched[${i}]`;
      return {
        ...keyFrom(variant, `${field}.variant`),
        previous: previous.length === 0 ? undefined : digestFrom(previous, `${field}.previous`),
      };
    }),
  };
}

function kindToProto(conflict: PreferConflict) {
  switch (conflict.kind) {
    case 'missing': {
      const { variant, referrer } = conflict;
      const of = referrer === undefined ? {} : { referrer: keyToProto(referrer) };
      return { case: 'missing' as const, value: { variant: keyToProto(variant), ...of } };
    }
    case 'incoherent':
      return {
        case: 'incoherent' as const,
        value: { variants: conflict.variants.map(keyToProto) },
      };
    case 'referrer': {
      const { referrer, reference } = conflict;
      return {
        case: 'referrer' as const,
        value: { referrer: keyToProto(referrer), reference: keyToProto(reference) },
      };
    }
  }
}

function conflictFrom({ kind }: ProtoConflict, field: string): PreferConflict {
  switch (kind.case) {
    case 'missing': {
      const { variant, referrer } = kind.value;
      return {
        kind: 'missing',
        variant: keyFrom(variant, `${field}.missing.variant`),
        referrer: referrer && keyFrom(referrer, `${field}.missing.referrer`),
      };
    }
    case 'incoherent':
      return {
        kind: 'incoherent',
        variants: kind.value.variants.map((key, i) =>
          keyFrom(key, `${field}.incoherent.variants[${i}]`),
        ),
      };
    case 'referrer':
      return {
        kind: 'referrer',
        referrer: keyFrom(kind.value.referrer, `${field}.referrer.referrer`),
        reference: keyFrom(kind.value.reference, `${field}.referrer.reference`),
      };
    default:
      throw invalidField(`${field}.kind`, 'it is not known');
  }
}

function keyToProto({ digest, closureDigest }: VariantKey): ProtoVariantKey {
  return create(VariantKeySchema, { digest, closureDigest: closureDigest.bytes });
}

function keyFrom(key: ProtoVariantKey | undefined, field: string): VariantKey {
  if (key === undefined) throw invalidField(field, 'it is not given');
  asField(`${field}.digest`, () => formatHashPart(key.digest));
  return {
    digest: key.digest.slice(),
    closureDigest: digestFrom(key.closureDigest, `${field}.closure_digest`),
  };
}
