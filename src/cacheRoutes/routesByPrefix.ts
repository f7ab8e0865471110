/** Several routes as one. */
import type { HttpRoutes } from './http.ts';

/**
 * Routes that hand each request on, as it is, to the first whose prefix its path begins with.
 * @param others where no prefix fits
 */
export function routesByPrefix(
  prefixes: readonly (readonly [prefix: string, routes: HttpRoutes])[],
  others: HttpRoutes,
): HttpRoutes {
  return {
    handle(request, options) {
      const match = prefixes.find(([prefix]) => request.path.startsWith(prefix));
      return (match?.[1] ?? others).handle(request, options);
    },
  };
}
