//! A mount table as /proc/self/mountinfo tells it.

/// One line.
#[derive(Debug, Clone)]
pub struct Mount {
    pub root: String,
    pub point: String,
    pub options: Vec<String>,
    /// `shared:N`, `master:N`, `unbindable`, without their numbers.
    pub propagation: Vec<String>,
    pub kind: String,
    pub source: String,
    pub data: Vec<String>,
}

impl Mount {
    pub fn has(&self, option: &str) -> bool {
        self.options.iter().any(|one| one == option)
    }

    pub fn has_data(&self, option: &str) -> bool {
        self.data.iter().any(|one| one == option)
    }

    pub fn propagates(&self, word: &str) -> bool {
        self.propagation.iter().any(|one| one == word)
    }
}

pub struct Mounts(pub Vec<Mount>);

impl Mounts {
    pub fn parse(text: &str) -> Self {
        let list = |field: &str| field.split(',').map(str::to_string).collect::<Vec<_>>();
        Self(
            text.lines()
                .filter_map(|line| {
                    let (left, right) = line.split_once(" - ")?;
                    let left: Vec<&str> = left.split(' ').collect();
                    let right: Vec<&str> = right.split(' ').collect();
                    Some(Mount {
                        root: left.get(3)?.to_string(),
                        point: left.get(4)?.to_string(),
                        options: list(left.get(5)?),
                        propagation: left
                            .iter()
                            .skip(6)
                            .map(|field| field.split(':').next().unwrap_or("").to_string())
                            .collect(),
                        kind: right.first()?.to_string(),
                        source: right.get(1)?.to_string(),
                        data: list(right.get(2).unwrap_or(&"")),
                    })
                })
                .collect(),
        )
    }

    /// The topmost mount at a place.
    #[track_caller]
    pub fn at(&self, point: &str) -> &Mount {
        self.find(point).unwrap_or_else(|| panic!("nothing is mounted on {point}: {:#?}", self.0))
    }

    pub fn find(&self, point: &str) -> Option<&Mount> {
        self.0.iter().rev().find(|mount| mount.point == point)
    }
}
