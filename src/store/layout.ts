/** Where things lie in a store's directory. `docs/store.md` describes it for people. */
import { join } from 'node:path';

const PACK_NAME_DIGITS = 8;
const PACK_NAME = /^[0-9]{8,}\.pack$/;

/** The LMDB index; LMDB puts its lock file beside it, under this name and `-lock`. */
export function indexPath(store: string): string {
  return join(store, 'index.mdb');
}

/** The directory of the packs. */
export function packsPath(store: string): string {
  return join(store, 'packs');
}

/** The pack with this number. */
export function packPath(store: string, pack: number): string {
  return join(packsPath(store), `${String(pack).padStart(PACK_NAME_DIGITS, '0')}.pack`);
}

/** Whether a file in the directory of the packs is one by its name. */
export function isPackName(name: string): boolean {
  return PACK_NAME.test(name);
}
