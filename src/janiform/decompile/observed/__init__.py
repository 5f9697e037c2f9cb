"""Programs out of models that no table describes: by what heads do when what they bring is exchanged."""
