/** A labelled select and a labelled checkbox. */

import { type ComponentChildren } from "preact";

interface SelectProps {
  id: string;
  label: string;
  title: string;
  value: string;
  options: readonly (readonly [value: string, text: string])[];
  onChange: (value: string) => void;
  children?: ComponentChildren;
}

export function Select({ id, label, title, value, options, onChange, children }: SelectProps) {
  return (
    <div class="control">
      <label for={id}>{label}</label>
      <select
        id={id}
        title={title}
        value={value}
        onChange={(event) => {
          onChange(event.currentTarget.value);
        }}
      >
        {options.map(([option, text]) => (
          <option key={option} value={option} selected={option === value}>
            {text}
          </option>
        ))}
      </select>
      {children}
    </div>
  );
}

interface CheckboxProps {
  label: string;
  title: string;
  checked: boolean;
  onChange: (checked: boolean) => void;
}

export function Checkbox({ label, title, checked, onChange }: CheckboxProps) {
  return (
    <label class="check" title={title}>
      <input
        type="checkbox"
        checked={checked}
        onChange={(event) => {
          onChange(event.currentTarget.checked);
        }}
      />
      <span>{label}</span>
    </label>
  );
}
