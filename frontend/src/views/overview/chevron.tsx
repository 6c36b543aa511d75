/** Points to the right, or down where what it stands beside is open. */

export function Chevron() {
  return (
    <svg class="chevron" viewBox="0 0 10 10" width="10" height="10" aria-hidden="true">
      <path d="M3 1.5 7 5 3 8.5" />
    </svg>
  );
}
