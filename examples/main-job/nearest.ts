/**
 * A SphereIndex finds the exact nearest points on a globe: a k-d tree over unit vectors.
 *
 * On the unit sphere the straight-line distance grows with the great-circle distance, so the nearest by chord is
 * the nearest on the ground, with no special case at the poles or the date line. The tree is implicit: the
 * median of a range is its root (Bentley, "Multidimensional binary search trees", CACM 18(9), 1975).
 */

/** Mean radius of the Earth (IUGG R1), in kilometres. */
const earthRadiusKm = 6371.0088;

interface Place {
  readonly id: number;
  readonly lat: number;
  readonly lon: number;
}

export interface SphereIndex<P extends Place> {
  /** The `count` nearest, nearest first; of two at one distance the smaller id first. */
  readonly nearest: (lat: number, lon: number, count: number) => { city: P; distanceKm: number }[];
}

/** A neighbour found so far; the list of them is sorted by distance, then id. */
interface Found<P> {
  readonly place: P;
  readonly squared: number;
}

/** Builds the tree in O(n log n). */
export function createSphereIndex<P extends Place>(places: readonly P[]): SphereIndex<P> {
  const vectors = new Float64Array(places.length * 3);
  places.forEach((place, i) => vectors.set(unitVector(place.lat, place.lon), i * 3));
  const order = Uint32Array.from(places.keys());
  split(order, vectors, { from: 0, to: order.length, axis: 0 });

  return {
    nearest(lat, lon, count) {
      const target = unitVector(lat, lon);
      const found: Found<P>[] = [];
      const visit = (from: number, to: number, axis: number): void => {
        if (from >= to) return;
        const middle = (from + to) >>> 1;
        const at = order[middle] as number;
        keepNearest(found, places[at] as P, squaredDistance(vectors, at * 3, target), count);
        const offset = (target[axis] as number) - (vectors[at * 3 + axis] as number);
        const next = (axis + 1) % 3;
        if (offset < 0) visit(from, middle, next);
        else visit(middle + 1, to, next);
        // The far side can hold something nearer (or as near, with a smaller id) only if the plane is that near.
        const worst = found.length < count ? Infinity : (found[found.length - 1]?.squared ?? Infinity);
        if (offset * offset > worst) return;
        if (offset < 0) visit(middle + 1, to, next);
        else visit(from, middle, next);
      };
      if (count > 0) visit(0, order.length, 0);
      return found.map(({ place, squared }) => ({ city: place, distanceKm: arcKm(squared) }));
    },
  };
}

function keepNearest<P extends Place>(found: Found<P>[], place: P, squared: number, count: number): void {
  const nearer = (other: Found<P>): boolean =>
    squared < other.squared || (squared === other.squared && place.id < other.place.id);
  const last = found[found.length - 1];
  if (last !== undefined && found.length >= count) {
    if (!nearer(last)) return;
    found.pop();
  }
  let at = found.length;
  while (at > 0 && nearer(found[at - 1] as Found<P>)) at--;
  found.splice(at, 0, { place, squared });
}

interface Range {
  readonly from: number;
  readonly to: number;
  readonly axis: number;
}

/** Arranges `order[from, to)` so that its middle is the median along the axis, and so on in both halves. */
function split(order: Uint32Array, vectors: Float64Array, { from, to, axis }: Range): void {
  if (to - from < 2) return;
  const middle = (from + to) >>> 1;
  selectMedian(order, vectors, { from, to, axis });
  const next = (axis + 1) % 3;
  split(order, vectors, { from, to: middle, axis: next });
  split(order, vectors, { from: middle + 1, to, axis: next });
}

/** Hoare's quickselect with the middle element as pivot: what is less comes before, what is greater after. */
function selectMedian(order: Uint32Array, vectors: Float64Array, { from, to, axis }: Range): void {
  const value = (i: number): number => vectors[(order[i] as number) * 3 + axis] as number;
  const wanted = (from + to) >>> 1;
  let low = from;
  let high = to - 1;
  while (low < high) {
    const pivot = value((low + high) >>> 1);
    let i = low;
    let j = high;
    while (i <= j) {
      while (value(i) < pivot) i++;
      while (value(j) > pivot) j--;
      if (i > j) break;
      const held = order[i] as number;
      order[i++] = order[j] as number;
      order[j--] = held;
    }
    if (wanted <= j) high = j;
    else if (wanted >= i) low = i;
    else return;
  }
}

function unitVector(lat: number, lon: number): [number, number, number] {
  const phi = (lat * Math.PI) / 180;
  const lambda = (lon * Math.PI) / 180;
  return [Math.cos(phi) * Math.cos(lambda), Math.cos(phi) * Math.sin(lambda), Math.sin(phi)];
}

function squaredDistance(vectors: Float64Array, at: number, target: readonly [number, number, number]): number {
  const x = (vectors[at] as number) - target[0];
  const y = (vectors[at + 1] as number) - target[1];
  const z = (vectors[at + 2] as number) - target[2];
  return x * x + y * y + z * z;
}

function arcKm(squaredChord: number): number {
  return 2 * earthRadiusKm * Math.asin(Math.min(1, Math.sqrt(squaredChord) / 2));
}
