//! Reading options from names and texts: one pair, or a file in any format that serde reads.

use std::{collections::BTreeSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::{
    error::{OptionError, OptionWarning},
    java,
    node::NodeOptions,
    raft::RaftOptions,
    rpc::RpcOptions,
    table::Table,
};

/// A file of options, before anybody asks what its names mean.
pub(super) enum Layer {
    Text(String),
    Table(Vec<(String, Self)>),
    /// A value that no option has, in words.
    Other(&'static str),
}

/// Where a name is looked up.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Place {
    /// In `NodeOptions` and in its parts, since no name occurs in two of them.
    Anywhere,
    Raft,
    Rpc,
}

const A_TABLE: &str = "a table of options";

impl NodeOptions {
    /// Takes over all of `layer`, and may have done so with a part of it when it fails.
    pub(super) fn apply(
        &mut self,
        place: Place,
        layer: Layer,
    ) -> Result<Vec<OptionWarning>, OptionError> {
        let Layer::Table(table) = layer else {
            return Err(OptionError::Syntax { text: layer.into_text(), expected: A_TABLE.into() });
        };
        let mut warnings = Vec::new();
        self.apply_table(place, table, &mut BTreeSet::new(), &mut warnings)?;
        Ok(warnings)
    }

    fn apply_table(
        &mut self,
        place: Place,
        table: Vec<(String, Layer)>,
        seen: &mut BTreeSet<String>,
        warnings: &mut Vec<OptionWarning>,
    ) -> Result<(), OptionError> {
        for (written, layer) in table {
            match (layer, Place::named(&written)) {
                (Layer::Table(table), Some(part)) if place == Place::Anywhere => {
                    self.apply_table(part, table, seen, warnings)?;
                }
                (layer, _) => {
                    warnings.extend(self.assign_named(place, &written, &layer.into_text())?);
                    let (_, bare) = split(place, &written);
                    if !seen.insert(java::snake_case(bare).unwrap_or_default()) {
                        return Err(OptionError::Twice { name: written });
                    }
                }
            }
        }
        Ok(())
    }

    /// Gives one option a value; `written` may start with the name of a part and a dot.
    pub(super) fn assign_named(
        &mut self,
        place: Place,
        written: &str,
        text: &str,
    ) -> Result<Option<OptionWarning>, OptionError> {
        let (place, bare) = split(place, written);
        let name = java::snake_case(bare).unwrap_or_default();
        let assigned = match place {
            Place::Anywhere => (self.assign(&name, text))
                .or_else(|| self.raft.assign(&name, text))
                .or_else(|| self.rpc.assign(&name, text)),
            Place::Raft => self.raft.assign(&name, text),
            Place::Rpc => self.rpc.assign(&name, text),
        };
        if let Some(assigned) = assigned {
            return assigned;
        }
        if let Some((name, why)) = java::look_up(java::WITHOUT_EFFECT, &name) {
            return Ok(Some(OptionWarning::new(name, why)));
        }
        if let Some((name, why)) = java::look_up(java::REFUSED, &name) {
            return Err(OptionError::Refused { name: name.into(), why: why.into() });
        }
        if place == Place::Anywhere && Place::named(bare).is_some() {
            let (name, value) = (written.to_owned(), text.to_owned());
            return Err(OptionError::BadValue { name, value, expected: A_TABLE.into() });
        }
        Err(unknown(place, bare))
    }
}

impl Place {
    fn named(written: &str) -> Option<Self> {
        match written {
            "raft" | "raft_options" | "raftOptions" => Some(Self::Raft),
            "rpc" | "rpc_options" | "rpcOptions" => Some(Self::Rpc),
            _ => None,
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Anywhere => "",
            Self::Raft => "raft.",
            Self::Rpc => "rpc.",
        }
    }
}

/// The place and the bare name of what is written, which may begin with the name of a part and a dot.
fn split(place: Place, written: &str) -> (Place, &str) {
    let dotted = written.split_once('.').filter(|_| place == Place::Anywhere);
    match dotted.and_then(|(part, bare)| Some((Place::named(part)?, bare))) {
        Some(found) => found,
        None => (place, written),
    }
}

/// The error for a name that means nothing in `place`. There, both names in it say the part they belong to.
fn unknown(place: Place, bare: &str) -> OptionError {
    let of_java =
        [java::WITHOUT_EFFECT, java::REFUSED].into_iter().flatten().map(|(name, _)| *name);
    let names = [&["raft", "rpc"], NodeOptions::NAMES, RaftOptions::NAMES, RpcOptions::NAMES];
    let nearest = java::nearest(bare, names.into_iter().flatten().copied().chain(of_java));
    let home = |name| match place {
        Place::Raft | Place::Rpc if RaftOptions::NAMES.contains(&name) => Place::Raft,
        Place::Raft | Place::Rpc if RpcOptions::NAMES.contains(&name) => Place::Rpc,
        _ => Place::Anywhere,
    };
    OptionError::Unknown {
        name: format!("{}{bare}", place.prefix()),
        nearest: nearest
            .map(|name| home(name).prefix().to_owned() + &java::in_style_of(bare, name)),
    }
}

impl Layer {
    /// The value as text. That of a table or a list is the text of no option, and hence refused where it is read.
    fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Table(_) => "a table".to_owned(),
            Self::Other(what) => what.to_owned(),
        }
    }
}

impl<'de> Deserialize<'de> for Layer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LayerVisitor)
    }
}

struct LayerVisitor;

impl<'de> Visitor<'de> for LayerVisitor {
    type Value = Layer;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(A_TABLE)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Layer, E> {
        Ok(Layer::Text(value.to_string()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Layer, E> {
        Ok(Layer::Text(value.to_string()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Layer, E> {
        Ok(Layer::Text(value.to_string()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Layer, E> {
        Ok(Layer::Text(value.to_string()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Layer, E> {
        Ok(Layer::Text(value.to_owned()))
    }

    fn visit_unit<E: Error>(self) -> Result<Layer, E> {
        Ok(Layer::Other("nothing"))
    }

    fn visit_none<E: Error>(self) -> Result<Layer, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Layer, D::Error> {
        Layer::deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Layer, D::Error> {
        Layer::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Layer, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Layer::Other("a list"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Layer, A::Error> {
        let mut table = Vec::new();
        while let Some(entry) = map.next_entry()? {
            table.push(entry);
        }
        Ok(Layer::Table(table))
    }
}

/// Reads one of the structs: options that are left out have their defaults, and warnings are lost.
macro_rules! deserialize {
    ($($options:ident from $place:ident: $part:expr;)+) => {
        $(impl<'de> Deserialize<'de> for $options {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let mut node = NodeOptions::default();
                let layer = Layer::deserialize(deserializer)?;
                node.apply(Place::$place, layer).map_err(D::Error::custom)?;
                let part: fn(NodeOptions) -> Self = $part;
                Ok(part(node))
            }
        })+
    };
}

deserialize! {
    NodeOptions from Anywhere: |node| node;
    RaftOptions from Raft: |node| node.raft;
    RpcOptions from Rpc: |node| node.rpc;
}
