/** What the colours outside a map mean. */

export type LegendEntry = readonly [name: string, colour: string];

export function ColourLegend({ entries }: { entries: readonly LegendEntry[] }) {
  if (entries.length === 0) return null;
  return (
    <ul class="special-legend">
      {entries.map(([name, colour]) => (
        <li key={name}>
          <i style={{ background: colour }} />
          {name}
        </li>
      ))}
    </ul>
  );
}
