"""From a framework's layers to LayerRecords: one module a framework, imported only for that framework's own objects."""
