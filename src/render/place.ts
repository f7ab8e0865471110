/** Where in a tree a walk is, kept as a linked list because most places are never printed. */
import { concatBytes, displayBytes, utf8 } from '../bytes.ts';

/** A name in a directory that has a place itself; the root of a tree has the place `undefined`. */
export interface Place {
  readonly name: Uint8Array;
  readonly parent: Place | undefined;
}

const SLASH = utf8('/');

/** The names from below the root down to the place, joined by `/`; empty for the root. */
export function pathOfPlace(place: Place | undefined): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let at = place; at !== undefined; at = at.parent) {
    parts.push(at.name);
    if (at.parent !== undefined) parts.push(SLASH);
  }
  return concatBytes(parts.reverse());
}

/** The place for people: `/share/man`, the root as `/`. */
export function displayPlace(place: Place | undefined): string {
  return `/${displayBytes(pathOfPlace(place))}`;
}
