/** The text of a narinfo as a list of fields, to make and to alter. */

/** Keys that narinfos have, in the order in which Nix writes them. */
export type NarinfoKey =
  | 'StorePath'
  | 'URL'
  | 'Compression'
  | 'FileHash'
  | 'FileSize'
  | 'NarHash'
  | 'NarSize'
  | 'References'
  | 'Deriver'
  | 'Sig'
  | 'CA';

/** Fields to replace; `undefined` takes the line out. */
export type NarinfoFields = Readonly<Partial<Record<NarinfoKey, string | undefined>>>;

/** Replaces, adds and removes lines of a narinfo. All `Sig` lines count as one field. */
export function alterNarinfo(text: string, fields: NarinfoFields): string {
  let result = text;
  for (const [key, value] of Object.entries(fields)) {
    const lines = new RegExp(`^${key}:.*\\n`, 'gm');
    const line = value === undefined ? '' : `${key}: ${value}\n`;
    // the first such line is replaced in its place, others are dropped
    let seen = false;
    result = result.replace(lines, () => {
      const replacement = seen ? '' : line;
      seen = true;
      return replacement;
    });
    if (!seen) result += line;
  }
  return result;
}

/** The value of a field, of the first line that has it. */
export function narinfoField(text: string, key: NarinfoKey): string | undefined {
  return new RegExp(`^${key}: (.*)$`, 'm').exec(text)?.[1];
}

/** What a signature is over. `references` are full store paths, in the order that is signed. */
export function fingerprint(
  storePath: string,
  narHash: string,
  narSize: string,
  references: readonly string[],
): string {
  return `1;${storePath};${narHash};${narSize};${references.join(',')}`;
}
