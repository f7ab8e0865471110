/** Debian packages as store paths, as they go into `nix-store --import`. */
import { createHash } from 'node:crypto';
import { StorePath } from '../../../src/storePath.ts';
import type { DebianPackage } from './debianPackages.ts';

/** A package with the place that it gets in the store. */
export interface StorePackage {
  readonly debian: DebianPackage;
  readonly storePath: StorePath;
  /** Those of the set that it depends on, cycles cut. */
  readonly references: readonly StorePath[];
}

/** Bytes of a store path's digest. */
const DIGEST_BYTES = 20;
const NOT_IN_NAMES = /[^A-Za-z0-9+\-._?=]/g;

/**
 * Store paths for packages, references before their referrers. As in nixpkgs a path's name follows from
 * all that it is made of, so that what refers to a new version of anything gets a new path itself.
 */
export function storePackages(packages: readonly DebianPackage[]): StorePackage[] {
  const byName = new Map(packages.map((debian) => [debian.name, debian]));
  const made = new Map<string, StorePackage>();
  const open = new Set<string>();

  const make = (debian: DebianPackage): void => {
    open.add(debian.name);
    const references: StorePath[] = [];
    for (const name of debian.dependencies) {
      const dependency = byName.get(name);
      // Debian has cycles where Nix has none: the reference that would close one is left out
      if (dependency === undefined || open.has(name)) continue;
      if (!made.has(name)) make(dependency);
      const storePath = made.get(name)?.storePath;
      if (storePath !== undefined) references.push(storePath);
    }
    open.delete(debian.name);
    const hash = createHash('sha256').update(debian.sha256);
    for (const { absolute } of references) hash.update(`\n${absolute}`);
    const name = `${debian.name}-${debian.version}`.replaceAll(NOT_IN_NAMES, '-');
    const storePath = StorePath.of(hash.digest().subarray(0, DIGEST_BYTES), name);
    made.set(debian.name, { debian, storePath, references });
  };

  for (const debian of packages) if (!made.has(debian.name)) make(debian);
  return [...made.values()];
}

/** Between a NAR and what is told about it (Nix: `src/libstore/export-import.cc`). */
const EXPORT_MAGIC = 0x4558494en;
const ANOTHER_PATH = 1n;
/** No further path, or no signature. */
const NOTHING = 0n;

function number(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
}

function string(text: string): Buffer {
  const bytes = Buffer.from(text);
  const padding = Buffer.alloc((8 - (bytes.length % 8)) % 8);
  return Buffer.concat([number(BigInt(bytes.length)), bytes, padding]);
}

/** What stands before the NAR of each path. */
export const EXPORT_HEAD = number(ANOTHER_PATH);

/** What stands after it: the path, its references, no deriver, no signature. */
export function exportTail(storePath: StorePath, references: readonly StorePath[]): Buffer {
  return Buffer.concat([
    number(EXPORT_MAGIC),
    string(storePath.absolute),
    number(BigInt(references.length)),
    ...references.map(({ absolute }) => string(absolute)),
    string(''),
    number(NOTHING),
  ]);
}

/** What stands after all paths. */
export const EXPORT_END = number(NOTHING);
