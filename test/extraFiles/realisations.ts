/**
 * Realisations as Nix 2.8 wrote and signed them: `ca-b` depends on `ca-a`, both made by content-addressed
 * derivations (`__contentAddressed = true`) with `secret-key-files` set, copied by
 * `nix copy --to file://… -f t.nix b`.
 */

/** The key that signed. */
export const REALISATION_KEY = 'realisation-test-1:EsIRQWcGCEfueWV9eJJ6pRyusJ9eExfPqUE258jfWVg=';

const ID_A = 'sha256:7621f018ee7140c2128bdc428061786409b8688fd835d28c667b2401bdd53c9c!out';
const ID_B = 'sha256:04cf6f6a8d76579047cb8b03b9644ccdf11d433c87308e7e2309aaadf4908c49!out';
const SIGNATURE_A =
  'LKii8N2rdCmGaU71Zc4Qeno5qUOEbc0h6H6ftjFjXzAvLLV4MD/ColcYkGSJFk+J/ZlGCa+NYDRBEvPgqmAIBA==';
const SIGNATURE_B =
  'EnPcgr+lo2ot8d6jadRiT8FWc/EHWDTudPpUDnm7TsY97c1kel3MF+YeQ2YEExdr8zmMMrR6KIM+AI+4Vuz3Bw==';

/** A file of `realisations/`. */
export interface RealisationFile {
  readonly path: string;
  readonly text: string;
  readonly outPath: string;
}

/** Without dependents. */
export const REALISATION_A: RealisationFile = {
  path: `realisations/${ID_A}.doi`,
  text: `{"dependentRealisations":{},"id":"${ID_A}","outPath":"xyxwyb938v5pybgcq5fymfrf122aqd98-ca-a","signatures":["realisation-test-1:${SIGNATURE_A}"]}`,
  outPath: 'xyxwyb938v5pybgcq5fymfrf122aqd98-ca-a',
};

/** With one. */
export const REALISATION_B: RealisationFile = {
  path: `realisations/${ID_B}.doi`,
  text: `{"dependentRealisations":{"${ID_A}":"xyxwyb938v5pybgcq5fymfrf122aqd98-ca-a"},"id":"${ID_B}","outPath":"w64vcw6ffhr0qlsqrzb1xm6lyl9ji4jc-ca-b","signatures":["realisation-test-1:${SIGNATURE_B}"]}`,
  outPath: 'w64vcw6ffhr0qlsqrzb1xm6lyl9ji4jc-ca-b',
};
