/**
 * Addresses of services, as they stand on command lines and in place of names:
 *
 *     memory:                                     a new one in memory
 *     lmdb:/path   lmdb:path                      the embedded store
 *     grpc+http://host:port   grpc+https://…      a peer
 *     nix+https://…   nix+file:///…   nix+/path   a binary cache
 *
 * What a service is configured with besides follows as a query, as snix has it:
 *
 *     nix+https://cache.example?trusted_public_keys[0]=…&trusted_public_keys[1]=…
 *
 * Items of a list come in the order of their numbers. A plus in a query is a plus and no space, for keys have
 * such; everything else may be percent-encoded.
 */
import { excerpt } from '../../excerpt.ts';
import type { ConfigTable, ConfigValue } from './configTable.ts';
import type { Faults, Place } from './place.ts';
import { withoutSecrets } from './urls.ts';

const ADDRESS = /^(?<scheme>[a-z][a-z0-9+.-]*?)(?<plus>\+|:)(?<rest>[^?]*)(?:\?(?<query>.*))?$/is;
const LIST_ITEM = /^(?<key>.*)\[(?<number>[0-9]{0,9})\]$/s;
/** `lmdb://name/path` has a host, which no path has; `lmdb:///path` has an empty one. */
const WITH_HOST = /^\/\/(?!\/)/;

/** The address as the table that means the same; `undefined` after a fault. */
export function addressTable(
  address: string,
  place: Place,
  faults: Faults,
): ConfigTable | undefined {
  const { scheme = '', plus, rest = '', query } = ADDRESS.exec(address)?.groups ?? {};
  const table: ConfigTable = { place, entries: new Map() };
  const set = (key: string, text: string) => {
    const value: ConfigValue = { kind: 'text', text, untyped: true, place };
    table.entries.set(key, { keyPlace: below(place, key), value });
  };
  const type = scheme.toLowerCase();
  set('type', type);
  const hasPlus = plus === '+';
  if (type === 'memory' && !hasPlus && /^\/*$/.test(rest)) {
    // nothing but its type
  } else if (type === 'lmdb' && !hasPlus && rest !== '' && !WITH_HOST.test(rest)) {
    // as a URL would have it, lmdb:///path
    set('path', rest.replace(/^\/\/(?=\/)/, ''));
  } else if (type === 'grpc' && hasPlus && /^https?:\/\/./i.test(rest)) {
    set('url', rest);
  } else if (type === 'nix' && hasPlus && rest !== '') {
    set('base_url', rest);
  } else {
    faults.add(
      place,
      `'${excerpt(withoutSecrets(address))}' is no address; there are memory:, lmdb:PATH, grpc+http://HOST:PORT, grpc+https://HOST:PORT and nix+URL`,
    );
    return undefined;
  }
  return addQuery(table, query, faults) ? table : undefined;
}

/** What follows the question mark; `false` after a fault. */
function addQuery(table: ConfigTable, query: string | undefined, faults: Faults): boolean {
  const { place, entries } = table;
  /** By key, the items by their numbers. */
  const lists = new Map<string, Map<number, ConfigValue>>();
  for (const part of (query ?? '').split('&').filter((one) => one !== '')) {
    const equals = part.indexOf('=');
    const name = decoded(equals === -1 ? part : part.slice(0, equals));
    const text = decoded(equals === -1 ? '' : part.slice(equals + 1));
    if (name === undefined || text === undefined) {
      faults.add(place, `'${excerpt(part)}' is not percent-encoded as it should be`);
      return false;
    }
    const { key = name, number } = LIST_ITEM.exec(name)?.groups ?? {};
    const value: ConfigValue = { kind: 'text', text, untyped: true, place };
    const list = lists.get(key);
    const at = number === '' ? (list?.size ?? 0) : Number(number);
    if (entries.has(key) || (number === undefined ? list !== undefined : list?.has(at))) {
      faults.add(place, `'${excerpt(name)}' is given twice`);
      return false;
    }
    if (number === undefined) entries.set(key, { keyPlace: below(place, key), value });
    else if (list === undefined) lists.set(key, new Map([[at, value]]));
    else list.set(at, value);
  }
  for (const [key, list] of lists) {
    const items = [...list].sort(([one], [other]) => one - other).map(([, item]) => item);
    entries.set(key, { keyPlace: below(place, key), value: { kind: 'list', items, place } });
  }
  return true;
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

function below(place: Place, key: string): Place {
  return { ...place, key: place.key === '' ? key : `${place.key}?${key}` };
}
