/** The two sides of a comparison, `a` as the one before and `b` as the one after. */
export interface Sides<T> {
  readonly a: T;
  readonly b: T;
}
