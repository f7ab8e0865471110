/** What is used when nobody says. */

/** The binary cache of the NixOS project. */
export const DEFAULT_SUBSTITUTER = 'https://cache.nixos.org';
