//! The name of a preset.

use super::{Invalid, Value, invalid, quoted};
use crate::presets::{self, Preset};
use crate::settings::nearest;

impl Value for &'static Preset {
    const HINT: &'static str = "NAME";

    fn parse(text: &str) -> Result<Self, Invalid> {
        presets::find(text).ok_or_else(|| {
            let like = nearest(text, presets::all().iter().map(|preset| preset.name.as_str()));
            let remedy = format!("Did you mean {like}? `uringcast-server presets` lists them.");
            invalid("is no preset", remedy)
        })
    }

    fn show(&self) -> Option<String> {
        quoted(&self.name)
    }
}
